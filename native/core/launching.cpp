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
#include "core/forerunner.hpp"
#include "core/mount_calls.hpp"
#include "core/root_fs.hpp"
#include "core/sandbox_builder.hpp"
#include "core/user_namespace.hpp"
#include "init/init.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

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

void childMain(void* context, bool joinedV2) {
  Launching& launch = *static_cast<Launching*>(context);
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

/** Gives the namespace that `pid` has made its ids, and maps the mounts to them. */
Status mapUser(Launching& launch, pid_t pid, std::vector<std::string>& warnings) {
  const Spec& spec = launch.spec;
  const Result<UserNamespaceMaps> maps = launch.isRootless() ? ownMaps() : rangeMaps(spec.idBase);
  if (!maps) return maps.error();
  raiseLimits(pid, launch.process);
  if (Status written = writeIdMaps(pid, *maps); !written) return written;
  // Ids on disk are the namespace's already.
  if (launch.isRootless()) return {};
  Result<Fd> userNamespace = openFile("/proc/" + std::to_string(pid) + "/ns/user", O_RDONLY);
  if (!userNamespace) return userNamespace.error();
  return mapOperations(spec, launch.operations, launch.parts.rootMount, userNamespace->get(), warnings);
}

bool hasOomScore(int adjustment) {
  const Result<std::string> text = readFile("/proc/self/oom_score_adj", 16);
  return text && trim(*text) == std::to_string(adjustment);
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

std::uint64_t forerunnerFlags(const Spec& spec) {
  std::uint64_t flags = CLONE_NEWUTS | CLONE_NEWIPC;
  if (spec.network == Network::none) flags |= CLONE_NEWNET;
  if (spec.userns != UserNamespace::host) flags |= CLONE_NEWUSER;
  return flags;
}

Status beginLaunch(Launching& launch, Launched& launched) {
  if (launch.hasUserNamespace() && !launch.isRootless()) {
    if (Status checked = checkUserNamespace(launch.spec); !checked) return checked;
  }
  Forerunner own;
  Forerunner& forerunner = launch.parts.forerunner != nullptr ? *launch.parts.forerunner : own;
  if (!forerunner.hasBegun()) {
    if (Status begun = forerunner.begin(forerunnerFlags(launch.spec)); !begun) return begun;
  }
  if (Status prepared = prepare(launch, launched.warnings); !prepared) return prepared;
  if (const int err = forerunner.awaitNamespaces(); err != 0) return cloneError(launch, err);
  if (launch.hasUserNamespace()) {
    if (Status mapped = mapUser(launch, forerunner.pid(), launched.warnings); !mapped) return mapped;
  }
  // The forerunner shares this process's out-of-memory score; its child has one of its own. From a user namespace it
  // can't be lowered, so this process does it and lets the child go on then. Mostly there is nothing to be done.
  launch.holdsChild = launch.hasUserNamespace() && !hasOomScore(launch.process.oomScoreAdj);
  if (launch.hasUserNamespace() && !launch.holdsChild) {
    if (Status released = release(launch.reportParent.get()); !released) return released;
  }
  // The mounts that are made until now are in the copy.
  const pid_t pid = forerunner.clone(CLONE_NEWPID | CLONE_NEWNS, launch.cgroup.get(), childMain, &launch);
  if (pid < 0) return cloneError(launch, errno);
  launch.reportChild.reset();
  launch.statusChild.reset();
  launched.initPid = pid;
  launched.initPidfd.reset(sys::pidfdOpen(pid));
  if (launched.initPidfd) return {};
  const int err = errno;
  discardChild(pid);
  return Error{"pidfd_open", err, "", "Linux 5.3 is needed"};
}

namespace {

/**
 * Each sandbox from nothing has its image's pages for itself (docs/hot-start.md). Read here, while the child is busy,
 * the program's are there when it executes. What it will not need the kernel may take again.
 */
void readProgram(const Launching& launch) {
  constexpr std::size_t kMost = 1U << 20;
  const RootFs root(launch.parts.rootMount);
  for (const std::string& path : launch.process.candidates) {
    const Fd file(root.open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) continue;
    (void)::readahead(file.get(), 0, kMost);
    return;
  }
}

/** What has to be done before the child goes on, and what can be done while it does. */
Status accompany(const Launching& launch, pid_t pid) {
  if (launch.holdsChild) {
    const std::string file = "/proc/" + std::to_string(pid) + "/oom_score_adj";
    (void)writeControlFile(file, std::to_string(launch.process.oomScoreAdj)).ok();
    if (Status released = release(launch.reportParent.get()); !released) return released;
  }
  Status done = launch.parts.meanwhile ? launch.parts.meanwhile() : Status();
  if (done && launch.until == Until::running) readProgram(launch);
  return done;
}

}  // namespace

Result<ChildStory> follow(Launching& launch, Launched& launched) {
  if (Status done = accompany(launch, launched.initPid); !done) {
    discardChild(launched.initPid);
    return done.error();
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
