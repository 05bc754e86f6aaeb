#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/child.hpp"
#include "core/launch.hpp"
#include "core/process.hpp"
#include "core/root_fs.hpp"
#include "core/user_namespace.hpp"
#include "sys/file.hpp"
#include "sys/start_area.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

struct Namespace {
  const char* name;
  int flag;
};

/** In the order in which setns(2) must go: rights over the others come with the user namespace. */
constexpr std::array<Namespace, 7> allNamespaces{{{"user", CLONE_NEWUSER},
                                                  {"cgroup", CLONE_NEWCGROUP},
                                                  {"ipc", CLONE_NEWIPC},
                                                  {"uts", CLONE_NEWUTS},
                                                  {"net", CLONE_NEWNET},
                                                  {"pid", CLONE_NEWPID},
                                                  {"mnt", CLONE_NEWNS}}};

/** All that the children use, laid out before the first fork. */
struct Join {
  Process process;
  std::vector<Fd> procs;
  Fd pidfd;
  std::array<Fd, allNamespaces.size()> files;  // only where setns(2) takes no pidfd
  int flags = 0;
  bool userNamespace = false;
  StartArea startArea = StartArea::find();
  Fd reportParent, reportChild;
};

int namespaceFlags(const Spec& spec, bool userNamespace) {
  int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  if (spec.network == Network::none) flags |= CLONE_NEWNET;
  if (userNamespace) flags |= CLONE_NEWUSER;
  return flags;
}

// The pid may have become another's before the descriptors were opened: the pidfd, opened first, tells.
Status openNamespaces(Join& join, pid_t initPid) {
  for (std::size_t i = 0; i < allNamespaces.size(); i++) {
    if ((join.flags & allNamespaces[i].flag) == 0) continue;
    const std::string path = "/proc/" + std::to_string(initPid) + "/ns/" + allNamespaces[i].name;
    Result<Fd> file = openFile(path, O_RDONLY);
    if (!file) return file.error();
    join.files[i] = std::move(*file);
  }
  return {};
}

Status prepare(Join& join, const Spec& spec, pid_t initPid, const Cgroup& cgroup, const ExecSpec& exec) {
  join.pidfd.reset(sys::pidfdOpen(initPid));
  if (!join.pidfd) return Error{"join sandbox", errno, "pid " + std::to_string(initPid), "is it still running?"};
  // Asked of the kernel: a sandbox that is to have one may run without.
  const Result<std::uint32_t> idBase = idBaseOf(initPid);
  if (!idBase) return idBase.error().wrap("join sandbox");
  join.userNamespace = *idBase != 0;
  join.flags = namespaceFlags(spec, join.userNamespace);
  const std::string rootPath = "/proc/" + std::to_string(initPid) + "/root";
  Result<Fd> root = openFile(rootPath, O_PATH | O_DIRECTORY);
  if (!root) return root.error().wrap("join sandbox");
  if (Status opened = openNamespaces(join, initPid); !opened) return opened.error().wrap("join sandbox");
  if (sys::pidfdSendSignal(join.pidfd.get(), 0) < 0) return Error{"join sandbox", errno, "it has just ended"};
  const bool ownUser = exec.user.empty();
  const Result<UserIds> user = resolveUser(RootFs(root->get()), ownUser ? spec.user : exec.user,
                                           ownUser ? spec.groupAdd : std::vector<std::string>());
  if (!user) return user.error();
  Result<Process> process = prepareExec(spec, exec, *user, exec.stdio);
  if (!process) return process.error();
  join.process = std::move(*process);
  if (join.userNamespace) giveStreams(exec.stdio, *idBase, user->uid);
  Result<std::vector<Fd>> procs = cgroup.openProcs();
  if (!procs) return procs.error();
  join.procs = std::move(*procs);
  return makeReportPair(join.reportParent, join.reportChild);
}

void enterNamespaces(const Join& join, const Reporter& reporter) {
  if (sys::setnsPidfd(join.pidfd.get(), join.flags) == 0) return;
  // EINVAL: before 5.8 setns(2) knew no pidfds.
  if (errno != ENOSYS && errno != EINVAL) reporter.fail("join sandbox", "namespaces", errno);
  for (std::size_t i = 0; i < allNamespaces.size(); i++) {
    if (!join.files[i]) continue;
    if (::setns(join.files[i].get(), allNamespaces[i].flag) < 0) {
      reporter.fail("join sandbox", allNamespaces[i].name, errno);
    }
  }
}

[[noreturn]] void runInside(const Join& join, const Reporter& reporter) {
  if (join.userNamespace) becomeNamespaceRoot(reporter);
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const int slave = join.process.terminal ? openTerminal(join.process, reporter) : -1;
  runProcess(join.process, slave, reporter);
}

/**
 * Joins, then clones a sibling: only children are in the joined PID namespace, and CLONE_PARENT makes that one the
 * caller's own. Not dumpable from before the first setns until execve, so nobody inside can ptrace or open anything
 * of it (CVE-2016-9962).
 */
[[noreturn]] void joinMain(Join& join) {
  const Reporter reporter(join.reportChild.get());
  join.reportParent.reset();
  join.startArea.setTitle("lightv-exec");
  join.startArea.wipeEnvironment();
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  adjustOomScore(join.process.oomScoreAdj, reporter);
  joinCgroups(join.procs, reporter);
  enterNamespaces(join, reporter);
  const pid_t pid = cloneProcess(CLONE_PARENT);
  if (pid < 0) reporter.fail("clone", "inside the sandbox", errno);
  if (pid == 0) runInside(join, reporter);
  // The pid as the caller sees it: this process itself is still in his PID namespace.
  reporter.child(pid);
  ::_exit(0);
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<ExecHandle> execInside(const Spec& spec, pid_t initPid, const Cgroup& cgroup, const ExecSpec& exec) {
  Join join;
  if (Status prepared = prepare(join, spec, initPid, cgroup, exec); !prepared) return prepared.error();
  const pid_t joiner = cloneProcess(0);
  if (joiner < 0) return Error{"clone", errno};
  if (joiner == 0) joinMain(join);
  join.reportChild.reset();
  ChildStory story = listenToChild(join.reportParent.get());
  reap(joiner);
  if (!story.error && !story.ready) {
    story.error = Error{"join sandbox", 0, "the new process was killed before it could start"};
  }
  const bool elsewhere = story.error && story.error->op == "join cgroup" && spec.userns == UserNamespace::rootless;
  if (elsewhere) story.error->hint = kElsewhere;
  if (story.error) {
    if (story.child > 0) reap(story.child);
    return *story.error;
  }
  ExecHandle handle;
  handle.pid = story.pid;
  handle.ptyMaster = std::move(story.ptyMaster);
  return handle;
}

}  // namespace lightv
