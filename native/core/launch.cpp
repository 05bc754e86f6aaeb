#include "core/launch.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/child.hpp"
#include "core/mount_calls.hpp"
#include "core/operation.hpp"
#include "core/process.hpp"
#include "core/root_fs.hpp"
#include "core/sandbox_builder.hpp"
#include "init/init.hpp"
#include "sys/file.hpp"
#include "sys/start_area.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** All that the child uses, laid out before clone: it allocates nothing. */
struct Launch {
  const Spec& spec;
  const LaunchParts& parts;
  std::vector<Operation> operations;
  Process process;
  std::vector<Fd> procs, procsWithoutV2;
  Fd cgroup;
  Fd reportParent, reportChild;
  Fd statusParent, statusChild;
  int slave = -1;  // the terminal, in the child
  StartArea startArea = StartArea::find();

  [[nodiscard]] bool hasUserNamespace() const { return spec.userns == UserNamespace::automatic; }
};

std::uint64_t namespaceFlags(const Spec& spec) {
  std::uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
  if (spec.network == Network::none) flags |= CLONE_NEWNET;
  if (spec.userns == UserNamespace::automatic) flags |= CLONE_NEWUSER;
  return flags;
}

// Users that earlier runs added lie in the writable layer; what it does not have is the image's.
std::string accountFile(const LaunchParts& parts, const char* path) {
  if (!parts.upperDir.empty()) {
    const Fd upper(::open(parts.upperDir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const RootFs layer(upper.get());
    if (upper && layer.has(path)) return readSmallFile(layer, path);
  }
  return readSmallFile(RootFs(parts.rootMount), path);
}

Status makeStatusPair(Launch& launch) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return Error{"socketpair", errno};
  launch.statusParent.reset(pair[0]);
  launch.statusChild.reset(pair[1]);
  return {};
}

Status prepare(Launch& launch, std::vector<std::string>& warnings) {
  const Spec& spec = launch.spec;
  const Result<UserIds> user = resolveUser(accountFile(launch.parts, "/etc/passwd"),
                                           accountFile(launch.parts, "/etc/group"), spec.user, spec.groupAdd);
  if (!user) return user.error();
  Result<Process> process = prepareProcess(spec, *user, launch.parts.stdio);
  if (!process) return process.error();
  launch.process = std::move(*process);
  launch.operations = buildPlan(spec, gatherFacts(spec, launch.parts));
  if (Status prepared = prepareOperations(spec, launch.operations); !prepared) return prepared;
  if (Cgroup* cgroup = launch.parts.cgroup; cgroup != nullptr) {
    cgroup->restrictDevices(spec.devices, warnings);
    Result<std::vector<Fd>> all = cgroup->openProcs(true);
    if (!all) return all.error();
    Result<std::vector<Fd>> v1 = cgroup->openProcs(false);
    if (!v1) return v1.error();
    launch.procs = std::move(*all);
    launch.procsWithoutV2 = std::move(*v1);
    launch.cgroup = cgroup->v2Directory();
  }
  if (Status made = makeReportPair(launch.reportParent, launch.reportChild); !made) return made;
  return makeStatusPair(launch);
}

/** The sandbox's /dev/console is the pty's other end, by descriptor (CVE-2025-52565). */
void bindConsole(int slave, const Reporter& reporter) {
  const Fd target(RootFs(AT_FDCWD).makeFile("/dev/console"));
  const Fd tree(mounts::cloneTree(slave, "", false));
  if (!target || !tree || mounts::attach(tree.get(), target.get()) < 0) {
    reporter.fail("mount", "/dev/console", errno);
  }
}

void workloadMain(void* context) {
  const Launch& launch = *static_cast<const Launch*>(context);
  runProcess(launch.process, launch.slave, Reporter(launch.reportChild.get()));
}

[[noreturn]] void childMain(Launch& launch, bool joinedV2) {
  const Reporter reporter(launch.reportChild.get());
  // The launching side's ends: as long as this process had them, their closing would not be seen.
  launch.reportParent.reset();
  launch.statusParent.reset();
  launch.startArea.setTitle("lightv-init");
  launch.startArea.wipeEnvironment();
  adjustOomScore(launch.process.oomScoreAdj, reporter);
  joinCgroups(joinedV2 ? launch.procsWithoutV2 : launch.procs, reporter);
  if (launch.hasUserNamespace()) {
    reporter.awaitRelease();
    becomeNamespaceRoot(reporter);
  }
  // Nobody inside may look into this copy of the engine (CVE-2016-9962, CVE-2019-5736). execve takes it back.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (::unshare(CLONE_NEWCGROUP) < 0) reporter.warn("cgroup namespace", "", errno);
  (void)::umask(0);
  SandboxBuilder(launch.parts.rootMount, launch.hasUserNamespace(), reporter).run(launch.operations);
  if (launch.spec.terminal) {
    launch.slave = openTerminal(launch.process, reporter);
    bindConsole(launch.slave, reporter);
  }
  if (!launch.spec.init) workloadMain(&launch);
  const int err = runInit({launch.statusChild.get(), launch.reportChild.get(), workloadMain, &launch});
  reporter.fail("fork", "the program beside the sandbox's PID 1, which --pids-limit counts too", err);
}

/** Gives the child its ids and maps the mounts to them; runs while it waits. */
Status mapUser(Launch& launch, pid_t pid, std::vector<std::string>& warnings) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const std::string map = "0 " + std::to_string(idRangeBase(launch.spec.id)) + " 65536\n";
  if (Status written = writeControlFile(proc + "/uid_map", map); !written) return written;
  if (Status written = writeControlFile(proc + "/gid_map", map); !written) return written;
  Result<Fd> userNamespace = openFile(proc + "/ns/user", O_RDONLY);
  if (!userNamespace) return userNamespace.error();
  const int root = launch.parts.rootMount;
  if (Status mapped = mapOperations(launch.operations, root, userNamespace->get(), warnings); !mapped) return mapped;
  return release(launch.reportParent.get());
}

Result<ChildStory> follow(Launch& launch, pid_t pid, std::vector<std::string>& warnings) {
  if (launch.hasUserNamespace()) {
    if (Status mapped = mapUser(launch, pid, warnings); !mapped) return mapped.error();
  }
  ChildStory story = listenToChild(launch.reportParent.get());
  if (story.error) return *story.error;
  if (story.ready) return story;
  return Error{"start sandbox", 0, "its first process was killed while it set up",
               "a memory limit of a few megabytes is too small to start anything"};
}

}  // namespace

Result<Launched> launch(const Spec& spec, const LaunchParts& parts) {
  Launched launched;
  Launch context{.spec = spec, .parts = parts};
  if (Status prepared = prepare(context, launched.warnings); !prepared) return prepared.error();
  bool joinedV2 = false;
  const pid_t pid = cloneProcess(namespaceFlags(spec), context.cgroup.get(), joinedV2);
  if (pid < 0) {
    return Error{"clone", errno, "new namespaces",
                 "root is needed, and a kernel with pid, mount, uts, ipc and net namespaces"};
  }
  if (pid == 0) childMain(context, joinedV2);
  context.reportChild.reset();
  context.statusChild.reset();
  launched.initPid = pid;
  launched.initPidfd.reset(sys::pidfdOpen(pid));
  if (!launched.initPidfd) {
    const int err = errno;
    discardChild(pid);
    return Error{"pidfd_open", err, "", "Linux 5.3 is needed"};
  }
  Result<ChildStory> story = follow(context, pid, launched.warnings);
  if (!story) {
    discardChild(pid);
    return story.error();
  }
  launched.workloadPid = spec.init ? story->pid : pid;
  launched.ptyMaster = std::move(story->ptyMaster);
  for (std::string& warning : story->warnings) launched.warnings.push_back(std::move(warning));
  launched.status = std::move(context.statusParent);
  // The workload is PID 1 itself and knows of no status socket: its pidfd is readable when it has ended.
  if (!spec.init) launched.status.reset(::fcntl(launched.initPidfd.get(), F_DUPFD_CLOEXEC, 3));
  return launched;
}

Result<WorkloadExit> readExit(const Launched& launched) {
  InitExit exit;
  const ssize_t got = ::recv(launched.status.get(), &exit, sizeof exit, 0);
  if (got == static_cast<ssize_t>(sizeof exit)) return WorkloadExit{exit.exitCode, exit.signal};
  siginfo_t info{};
  // WNOWAIT: the caller still reaps.
  while (::waitid(P_PID, static_cast<id_t>(launched.initPid), &info, WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) return Error{"wait", errno, "pid " + std::to_string(launched.initPid)};
  }
  if (info.si_code == CLD_EXITED) return WorkloadExit{info.si_status, 0};
  return WorkloadExit{128 + info.si_status, info.si_status};
}

}  // namespace lightv
