#include "monitor/execution.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "core/forerunner.hpp"
#include "image/image.hpp"
#include "monitor/host_ids.hpp"
#include "monitor/writable_layer.hpp"
#include "sys/file.hpp"
#include "sys/pipe.hpp"
#include "sys/syscalls.hpp"
#include "sys/time.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

constexpr const char* kStreams = "standard streams";

/** The pipes of a workload without terminal. */
struct Pipes {
  Pipe in, out, err;
};

Status openPipes(const Spec& spec, Pipes& pipes) {
  if (spec.terminal) return {};
  if (Status status = openPipe(pipes.out, kStreams); !status) return status;
  if (Status status = openPipe(pipes.err, kStreams); !status) return status;
  return spec.openStdin ? openPipe(pipes.in, kStreams) : Status();
}

/** Has there been a run before, which may have left a writable layer? */
bool hasRun(const SandboxFiles& files) {
  return exists(files.exit()) || exists(files.upper()) || BoundedLayer::isThere(files.directory());
}

/** The parts of a launch whose root is `rootMount` and whose writable layer lies below `directory`. */
Result<LaunchParts> gatherParts(const Spec& spec, const std::string& directory, int rootMount, Execution& execution) {
  LaunchParts parts;
  parts.rootMount = rootMount;
  if (!spec.readOnlyRoot) {
    Result<WritableLayer> layer = makeWritableLayer(spec, directory, rootMount, execution.warnings);
    if (!layer) return layer.error();
    parts.upperDir = std::move(layer->upper);
    parts.workDir = std::move(layer->work);
    execution.layer = std::move(layer->bounded);
  }
  parts.cgroup = &execution.cgroup;
  return parts;
}

/** What a start of this run has beside its Spec. */
struct Start {
  const Pipes& pipes;
  TerminalSize size;
  Forerunner& forerunner;
  const std::function<Status()>& meanwhile;
};

Result<Launched> launchIn(const Spec& spec, const SandboxFiles& files, Execution& execution, const Start& start,
                          bool userXattr) {
  const bool rootless = spec.userns == UserNamespace::rootless;
  const Result<ImageMount> image = rootless ? mountForUser(spec.imagePath, spec.imageDigest, files.unpackRoot())
                                            : mountImage(spec.imagePath, spec.imageDigest, files.unpackRoot());
  if (!image) return image.error();
  Result<LaunchParts> parts = gatherParts(spec, files.directory(), image->mount.get(), execution);
  if (!parts) return parts.error();
  parts->stdio = {start.pipes.in.read.get(), start.pipes.out.write.get(), start.pipes.err.write.get(), start.size};
  parts->userXattr = userXattr;
  parts->forerunner = &start.forerunner;
  parts->meanwhile = start.meanwhile;
  Result<Launched> launched = launch(spec, *parts);
  // The sandbox has its own by now, and nobody else shall.
  execution.layer.hide();
  return launched;
}

/**
 * Without a user namespace if it can't have one and need not. For good, if nothing of it was made in one; a layer that
 * was stays of that kind, and the next run tries again.
 */
Result<Launched> launchSomehow(const Spec& spec, const SandboxFiles& files, Execution& execution, const Start& start,
                               bool had) {
  // Decided when it was made, or in a run before; or the ids that it had are not to be had now.
  const bool lost = had && spec.userns == UserNamespace::host;
  warnOfHostIds(files.paths(), spec, !lost, execution.warnings);
  Result<Launched> launched = launchIn(spec, files, execution, start, lost);
  if (launched || !mayTakeHostIds(spec, launched.error())) return launched;
  // Its loop device is let go before it is asked for again.
  execution.layer = BoundedLayer();
  execution.ids.reset();
  Spec plain = spec;
  takeHostIds(plain, launched.error());
  if (!had) {
    if (Status kept = keepHostIds(files, plain); !kept) return kept.error();
  }
  warnOfHostIds(files.paths(), plain, !had, execution.warnings);
  if (Status begun = start.forerunner.begin(forerunnerFlags(plain)); !begun) return begun.error();
  return launchIn(plain, files, execution, start, had);
}

/** With a terminal the one pty master serves both directions; each user gets a descriptor of its own. */
Status takeStreams(const Spec& spec, Execution& execution, Pipes& pipes) {
  if (!spec.terminal) {
    execution.output = std::move(pipes.out.read);
    execution.errors = std::move(pipes.err.read);
    execution.stdinEnd = std::move(pipes.in.write);
    return {};
  }
  execution.output.reset(fcntl(execution.launched.ptyMaster.get(), F_DUPFD_CLOEXEC, 3));
  if (!execution.output) return Error{"dup", errno, "pty master"};
  execution.stdinEnd = std::move(execution.launched.ptyMaster);
  return {};
}

}  // namespace

Result<Execution> execute(const Spec& asked, const SandboxFiles& files, TerminalSize size,
                          const std::function<Status()>& meanwhile) {
  Spec spec = asked;
  Execution execution;
  // With a layer that was made in a user namespace.
  const bool had = asked.userns == UserNamespace::automatic && hasRun(files);
  if (Status own = keepIds(files, spec, execution.ids, had); !own) return own.error();
  Pipes pipes;
  if (Status status = openPipes(spec, pipes); !status) return status.error();
  Forerunner forerunner;
  if (Status begun = forerunner.begin(forerunnerFlags(spec)); !begun) return begun.error();
  bool isDone = false;
  const std::function<Status()> once = [&]() -> Status {
    return std::exchange(isDone, true) || !meanwhile ? Status() : meanwhile();
  };
  Result<Cgroup> cgroup = Cgroup::create(placeOf(spec), spec.id, spec.limits, execution.warnings);
  if (!cgroup) return cgroup.error();
  execution.cgroup = std::move(*cgroup);
  Result<Launched> launched = launchSomehow(spec, files, execution, {pipes, size, forerunner, once}, had);
  if (!launched) {
    (void)execution.cgroup.remove();
    return launched.error();
  }
  execution.launched = std::move(*launched);
  for (const std::string& warning : execution.launched.warnings) execution.warnings.push_back(warning);
  execution.workload.reset(sys::pidfdOpen(execution.launched.workloadPid));
  if (Status status = takeStreams(spec, execution, pipes); !status) {
    killAll(execution);
    tearDown(execution);
    return status.error();
  }
  return execution;
}

namespace {

Result<Parked> parkIn(const Spec& spec, const std::string& directory, int imageMount, Execution& execution,
                      const Pipe& out, const Pipe& err) {
  const Fd root(sys::openTree(imageMount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  if (!root) return Error{"open_tree", errno, spec.imagePath};
  Result<LaunchParts> parts = gatherParts(spec, directory, root.get(), execution);
  if (!parts) return parts.error();
  parts->stdio = {-1, out.write.get(), err.write.get(), {}};
  Result<Parked> parked = park(spec, *parts);
  execution.layer.hide();
  return parked;
}

}  // namespace

Result<WaitingRun> prepareRun(const Spec& spec, const std::string& directory, int imageMount) {
  WaitingRun run;
  Pipe out;
  Pipe err;
  if (Status status = openPipe(out, kStreams); !status) return status.error();
  if (Status status = openPipe(err, kStreams); !status) return status.error();
  Result<Cgroup> cgroup = Cgroup::create(spec.cgroupParent, spec.id, spec.limits, run.execution.warnings);
  if (!cgroup) return cgroup.error();
  run.execution.cgroup = std::move(*cgroup);
  Result<Parked> parked = parkIn(spec, directory, imageMount, run.execution, out, err);
  if (!parked && mayTakeHostIds(spec, parked.error())) {
    run.hostIds = parked.error();
    run.execution.layer = BoundedLayer();
    Spec plain = spec;
    plain.userns = UserNamespace::host;
    parked = parkIn(plain, directory, imageMount, run.execution, out, err);
  }
  if (!parked) {
    (void)run.execution.cgroup.remove();
    return parked.error();
  }
  run.parked = std::move(*parked);
  run.execution.output = std::move(out.read);
  run.execution.errors = std::move(err.read);
  run.execution.oomEvents = run.execution.cgroup.openOomEvents();
  return run;
}

Status orderRun(WaitingRun& run, const Spec& spec, Order order) {
  Pipe in;
  if (spec.openStdin) {
    if (Status status = openPipe(in, kStreams); !status) return status;
    order.in = in.read.get();
  }
  if (Status ordered = letGo(run.parked, spec, order); !ordered) return ordered;
  run.execution.stdinEnd = std::move(in.write);
  return {};
}

Result<Execution> awaitRun(WaitingRun run) {
  Result<Launched> launched = awaitExecution(run.parked);
  if (!launched) {
    dropRun(run);
    return launched.error();
  }
  run.execution.launched = std::move(*launched);
  for (const std::string& warning : run.execution.launched.warnings) run.execution.warnings.push_back(warning);
  run.execution.workload.reset(sys::pidfdOpen(run.execution.launched.workloadPid));
  return std::move(run.execution);
}

void dropRun(WaitingRun& run) {
  run.execution.launched = std::move(run.parked.launched);
  tearDown(run.execution);
}

TerminalSize terminalSize(const Execution& execution) {
  winsize window{};
  if (ioctl(execution.stdinEnd.get(), TIOCGWINSZ, &window) != 0) return {};
  return {window.ws_row, window.ws_col};
}

Status signalWorkload(const Execution& execution, int signal) {
  // By pidfd: the number may have gone to another process by now. Kernels before 5.3 have none.
  const int failed = execution.workload ? sys::pidfdSendSignal(execution.workload.get(), signal)
                                        : ::kill(execution.launched.workloadPid, signal);
  if (failed == 0 || errno == ESRCH) return {};
  return Error{"kill", errno, "signal " + std::to_string(signal)};
}

void killAll(const Execution& execution) {
  // With PID 1 the kernel ends all of the PID namespace (pid_namespaces(7)).
  if (execution.launched.initPidfd) {
    (void)sys::pidfdSendSignal(execution.launched.initPidfd.get(), SIGKILL);
  } else if (execution.launched.initPid > 0) {
    (void)::kill(execution.launched.initPid, SIGKILL);
  }
}

ExitInfo howItEnded(const Execution& execution) {
  ExitInfo exit;
  if (const Result<WorkloadExit> told = readExit(execution.launched)) {
    exit.exitCode = told->exitCode;
    exit.signal = told->signal;
  } else {
    exit.exitCode = 128 + SIGKILL;
    exit.signal = SIGKILL;
    exit.error = told.error().message();
  }
  exit.finishedAt = timeNow();
  const int events = execution.oomEvents.get();
  exit.oomKilled = (events >= 0 ? readOomKills(events) : execution.cgroup.oomKills()) > 0;
  return exit;
}

void tearDown(Execution& execution) {
  if (execution.launched.initPid > 0) {
    killAll(execution);
    // readExit() may have reaped it already: then ECHILD, at once.
    (void)sys::awaitExit(execution.launched.initPid);
  }
  if (!execution.cgroup.remove()) {
    (void)execution.cgroup.kill();
    (void)execution.cgroup.remove();
  }
  execution = Execution();
}

}  // namespace lightv
