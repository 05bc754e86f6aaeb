#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/child.hpp"
#include "core/launch.hpp"
#include "core/namespaces.hpp"
#include "core/process.hpp"
#include "core/root_fs.hpp"
#include "core/user_namespace.hpp"
#include "sys/file.hpp"
#include "sys/start_area.hpp"
#include "sys/syscalls.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** All that the children use, laid out before the first fork. */
struct Join {
  Process process;
  std::vector<Fd> procs;
  Namespaces namespaces;
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

Status prepare(Join& join, const Spec& spec, pid_t initPid, const Cgroup& cgroup, const ExecSpec& exec) {
  Result<Namespaces> namespaces = Namespaces::of(initPid);
  if (!namespaces) return namespaces.error().wrap("join sandbox");
  join.namespaces = std::move(*namespaces);
  // Asked of the kernel: a sandbox that is to have one may run without.
  const Result<std::uint32_t> idBase = idBaseOf(initPid);
  if (!idBase) return idBase.error().wrap("join sandbox");
  join.userNamespace = *idBase != 0;
  const Status opened = join.namespaces.open(namespaceFlags(spec, join.userNamespace));
  if (!opened) return opened.error().wrap("join sandbox");
  const std::string rootPath = "/proc/" + std::to_string(initPid) + "/root";
  Result<Fd> root = openFile(rootPath, O_PATH | O_DIRECTORY);
  if (!root) return root.error().wrap("join sandbox");
  // The pid may have become another's before the descriptors were opened.
  if (!join.namespaces.isOwnerThere()) return Error{"join sandbox", errno, "it has just ended"};
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
  join.namespaces.enter(reporter);
  const pid_t pid = cloneProcess(CLONE_PARENT);
  if (pid < 0) reporter.fail("clone", "inside the sandbox", errno);
  if (pid == 0) runInside(join, reporter);
  // The pid as the caller sees it: this process itself is still in his PID namespace.
  reporter.child(pid);
  ::_exit(0);
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
  (void)sys::awaitExit(joiner);
  if (!story.error && !story.ready) {
    story.error = Error{"join sandbox", 0, "the new process was killed before it could start"};
  }
  const bool elsewhere = story.error && story.error->op == "join cgroup" && spec.userns == UserNamespace::rootless;
  if (elsewhere) story.error->hint = kElsewhere;
  if (story.error) {
    if (story.child > 0) (void)sys::awaitExit(story.child);
    return *story.error;
  }
  ExecHandle handle;
  handle.pid = story.pid;
  handle.ptyMaster = std::move(story.ptyMaster);
  return handle;
}

}  // namespace lightv
