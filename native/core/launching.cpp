#include "core/launching.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "core/child.hpp"
#include "core/mount_calls.hpp"
#include "core/root_fs.hpp"
#include "core/sandbox_builder.hpp"
#include "core/user_namespace.hpp"
#include "init/init.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

std::uint64_t namespaceFlags(const Spec& spec) {
  std::uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
  if (spec.network == Network::none) flags |= CLONE_NEWNET;
  if (spec.userns != UserNamespace::host) flags |= CLONE_NEWUSER;
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

Status makeStatusPair(Launching& launch) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return Error{"socketpair", errno};
  launch.statusParent.reset(pair[0]);
  launch.statusChild.reset(pair[1]);
  return {};
}

Status prepare(Launching& launch, std::vector<std::string>& warnings) {
  const Spec& spec = launch.spec;
  Result<UserIds> user = resolveUser(accountFile(launch.parts, "/etc/passwd"), accountFile(launch.parts, "/etc/group"),
                                     spec.user, spec.groupAdd);
  if (!user) return user.error();
  launch.user = std::move(*user);
  const UserIds first = launch.until == Until::parked ? UserIds() : launch.user;
  Result<Process> process = prepareProcess(spec, first, launch.parts.stdio);
  if (!process) return process.error();
  launch.process = std::move(*process);
  if (launch.hasUserNamespace()) giveStreams(launch.parts.stdio, spec.idBase, first.uid);
  launch.operations = buildPlan(spec, gatherFacts(spec, launch.parts));
  if (Status prepared = prepareOperations(spec, launch.operations); !prepared) return prepared;
  if (Cgroup* cgroup = launch.parts.cgroup; cgroup != nullptr) {
    // An ordinary user can make no node, and a device that he can't open opens to no sandbox of his.
    if (!launch.isRootless()) cgroup->restrictDevices(spec.devices, warnings);
    Result<std::vector<Fd>> procs = cgroup->openProcs();
    if (!procs) return procs.error();
    launch.procs = std::move(*procs);
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
  Launching& launch = *static_cast<Launching*>(context);
  const Reporter reporter(launch.reportChild.get());
  if (launch.until == Until::running) runProcess(launch.process, launch.slave, reporter);
  parkProcess(launch.process, reporter);
}

[[noreturn]] void childMain(Launching& launch, bool joinedV2) {
  const Reporter reporter(launch.reportChild.get());
  // The launching side's ends: as long as this process had them, their closing would not be seen.
  launch.reportParent.reset();
  launch.statusParent.reset();
  launch.startArea.setTitle("lightv-init");
  launch.startArea.wipeEnvironment();
  if (!launch.hasUserNamespace()) adjustOomScore(launch.process.oomScoreAdj, reporter);
  joinCgroups(std::span(launch.procs).subspan(joinedV2 ? 1 : 0), reporter);
  if (launch.hasUserNamespace()) {
    reporter.awaitRelease();
    adjustOomScore(launch.process.oomScoreAdj, reporter);
    becomeNamespaceRoot(reporter);
  }
  // Nobody inside may look into this copy of the engine (CVE-2016-9962, CVE-2019-5736). execve takes it back.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (::unshare(CLONE_NEWCGROUP) < 0) reporter.warn("cgroup namespace", "", errno);
  (void)::umask(0);
  const bool userMarks = launch.hasUserNamespace() || launch.parts.userXattr;
  const auto marks = userMarks ? SandboxBuilder::Marks::user : SandboxBuilder::Marks::trusted;
  SandboxBuilder(launch.parts.rootMount, marks, reporter).run(launch.operations);
  if (launch.spec.terminal) {
    launch.slave = openTerminal(launch.process, reporter);
    bindConsole(launch.slave, reporter);
  }
  if (!launch.spec.init) workloadMain(&launch);
  const int err = runInit({launch.statusChild.get(), launch.reportChild.get(), workloadMain, &launch});
  reporter.fail("fork", "the program beside the sandbox's PID 1, which --pids-limit counts too", err);
}

/** Gives the child its ids and maps the mounts to them; runs while it waits. */
Status mapUser(Launching& launch, pid_t pid, std::vector<std::string>& warnings) {
  const Spec& spec = launch.spec;
  const Result<UserNamespaceMaps> maps = launch.isRootless() ? ownMaps() : rangeMaps(spec.idBase);
  if (!maps) return maps.error();
  if (Status settled = settleUserNamespace(pid, *maps, launch.process); !settled) return settled;
  // Ids on disk are the namespace's already.
  if (launch.isRootless()) return release(launch.reportParent.get());
  Result<Fd> userNamespace = openFile("/proc/" + std::to_string(pid) + "/ns/user", O_RDONLY);
  if (!userNamespace) return userNamespace.error();
  const int root = launch.parts.rootMount;
  Status mapped = mapOperations(spec, launch.operations, root, userNamespace->get(), warnings);
  if (!mapped) return mapped;
  return release(launch.reportParent.get());
}

Error cloneError(const Launching& launch, int err) {
  if (launch.hasUserNamespace() && !launch.isRootless() && refusesUserNamespace(err)) {
    return Error{kUserNamespaceOp, err, "clone", "does this kernel allow user namespaces? --userns host does without"};
  }
  return Error{"clone", err, "new namespaces",
               "root is needed, and a kernel with pid, mount, uts, ipc and net namespaces"};
}

/** What must be sure of a user namespace before anything is made. */
Status checkUserNamespace(const Spec& spec) {
  if (spec.idBase == 0) return Error{kUserNamespaceOp, EINVAL, "no range of the host's ids"};
  return checkIdMapping();
}

}  // namespace

Status beginLaunch(Launching& launch, Launched& launched) {
  if (launch.hasUserNamespace() && !launch.isRootless()) {
    if (Status checked = checkUserNamespace(launch.spec); !checked) return checked;
  }
  if (Status prepared = prepare(launch, launched.warnings); !prepared) return prepared;
  bool joinedV2 = false;
  const pid_t pid = cloneProcess(namespaceFlags(launch.spec), launch.cgroup.get(), joinedV2);
  if (pid < 0) return cloneError(launch, errno);
  if (pid == 0) childMain(launch, joinedV2);
  launch.reportChild.reset();
  launch.statusChild.reset();
  launched.initPid = pid;
  launched.initPidfd.reset(sys::pidfdOpen(pid));
  if (launched.initPidfd) return {};
  const int err = errno;
  discardChild(pid);
  return Error{"pidfd_open", err, "", "Linux 5.3 is needed"};
}

Result<ChildStory> follow(Launching& launch, Launched& launched) {
  if (launch.hasUserNamespace()) {
    const Status mapped = mapUser(launch, launched.initPid, launched.warnings);
    if (!mapped) {
      discardChild(launched.initPid);
      return mapped.error();
    }
  }
  ChildStory story = listenToChild(launch.reportParent.get());
  if (!story.error && (story.ready || story.parked)) return story;
  discardChild(launched.initPid);
  if (story.error && launch.isRootless()) return judgeRootless(*story.error);
  if (story.error) return launch.hasUserNamespace() ? judgeInUserNamespace(*story.error) : *story.error;
  return Error{"start sandbox", 0, "its first process was killed while it set up",
               "a memory limit of a few megabytes is too small to start anything"};
}

void finishLaunch(Launching& launch, ChildStory story, Launched& launched) {
  launched.workloadPid = launch.spec.init ? story.pid : launched.initPid;
  launched.ptyMaster = std::move(story.ptyMaster);
  for (std::string& warning : story.warnings) launched.warnings.push_back(std::move(warning));
  launched.status = std::move(launch.statusParent);
  // The workload is PID 1 itself and knows of no status socket: its pidfd is readable when it has ended.
  if (!launch.spec.init) launched.status.reset(::fcntl(launched.initPidfd.get(), F_DUPFD_CLOEXEC, 3));
}

}  // namespace lightv
