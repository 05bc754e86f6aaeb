#include "core/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

#include "core/order.hpp"
#include "core/root_fs.hpp"
#include "sys/fd.hpp"
#include "sys/signals.hpp"
#include "sys/socket.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

void enterDirectory(const Process& process, const Reporter& reporter) {
  if (::chdir(process.cwd.c_str()) < 0) reporter.fail("working directory", process.cwd.c_str(), errno);
  // CVE-2024-21626: through a leaked descriptor a working directory can lie outside; the kernel then says
  // "(unreachable)/…" instead of an absolute path.
  char path[PATH_MAX];
  if (::syscall(SYS_getcwd, path, sizeof path) < 0 || path[0] != '/') {
    reporter.fail("working directory", process.cwd.c_str(), EPERM);
  }
}

/** So that the workload's user may reopen /dev/stdout; a refusal only costs him that. */
void ownStream(int fd, uid_t uid) {
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode)) (void)!::fchown(fd, uid, static_cast<gid_t>(-1));
}

/** A stream may be one of 0, 1, 2 already, and another's place: all are lifted above 2 first. */
void placeStreams(const Process& process, int slave, const Reporter& reporter) {
  int sources[3] = {process.stdio.in, process.stdio.out, process.stdio.err};
  for (int i = 0; i < 3; i++) {
    if (slave >= 0) sources[i] = slave;
    if (sources[i] < 0) sources[i] = ::open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
    if (sources[i] < 0) reporter.fail("open", "/dev/null", errno);
    if (sources[i] < 3) sources[i] = ::fcntl(sources[i], F_DUPFD_CLOEXEC, 3);
    if (sources[i] < 0) reporter.fail("duplicate stream", "", errno);
  }
  for (int i = 0; i < 3; i++) {
    if (::dup2(sources[i], i) < 0) reporter.fail("duplicate stream", "", errno);
    ownStream(i, process.user.uid);
  }
}

void takeTerminal(int slave, const Reporter& reporter) {
  if (::setsid() < 0 && errno != EPERM) reporter.fail("setsid", "", errno);
  if (slave >= 0 && ::ioctl(slave, TIOCSCTTY, 0) < 0) reporter.fail("controlling terminal", "/dev/console", errno);
}

// Raising a hard limit needs CAP_SYS_RESOURCE, which even root may lack: what can't be had is a warning.
void setLimits(const Process& process, const Reporter& reporter) {
  for (const Process::Limit& limit : process.limits) {
    if (::setrlimit64(static_cast<__rlimit_resource>(limit.resource), &limit.value) == 0) continue;
    const int err = errno;
    rlimit64 now{};
    (void)::getrlimit64(static_cast<__rlimit_resource>(limit.resource), &now);
    now.rlim_cur = std::min(limit.value.rlim_cur, now.rlim_max);
    (void)::setrlimit64(static_cast<__rlimit_resource>(limit.resource), &now);
    reporter.warn("ulimit", limit.name.c_str(), err);
  }
}

/** Before Linux 5.11 one by one: what the sandbox's own /proc lists, or somebody has mounted there, is never asked. */
void closeTheRest() {
  if (sys::closeRange(3, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0) return;
  rlimit64 limit{};
  (void)::getrlimit64(RLIMIT_NOFILE, &limit);
  const int last = static_cast<int>(std::min<rlim64_t>(limit.rlim_cur, 1U << 20));
  for (int fd = 3; fd < last; fd++) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void installFilter(const Process& process, const Reporter& reporter) {
  if (process.filter.len == 0) return;
  if (sys::seccomp(SECCOMP_SET_MODE_FILTER, process.filterFlags, &process.filter) < 0)
    reporter.fail("seccomp", "", errno);
}

// A kernel that has it and refuses, for an engine under sixteen walls already, is no reason to run nothing.
void raiseWall(const Process& process, const Reporter& reporter) {
  if (const int err = restrictSelf(process.landlock); err != 0) reporter.warn("landlock", "", err);
}

/**
 * While there are rights and a host's /proc: its descriptor goes with the execve, and a sandbox that is parked keeps
 * none. CVE-2019-19921, CVE-2025-52881: what is mounted over the sandbox's own /proc is never asked.
 */
void changeLabel(const Process& process, const Reporter& reporter) {
  const AppArmorChange& change = process.appArmor;
  if (change.text.empty()) return;
  const int err = changeAtExec(change.proc.get(), change.text);
  (void)::close(change.proc.get());
  if (err == 0) return;
  // Unloaded since it was looked for, or an engine that is confined itself.
  if (change.asked) reporter.fail("AppArmor profile", change.text.c_str(), err);
  reporter.warn("AppArmor profile", change.text.c_str(), err);
}

void becomeUser(const Process& process, const Reporter& reporter) {
  const UserIds& user = process.user;
  if (sys::setGroups(user.groups.size(), user.groups.data()) < 0) reporter.fail("setgroups", "", errno);
  if (sys::setResGid(user.gid) < 0) reporter.fail("setgid", "", errno);
  if (sys::setResUid(user.uid) < 0) reporter.fail("setuid", "", errno);
  // For every user but root the kernel has emptied the permitted set by now, and so this stays empty.
  if (const int err = setCapabilities(process.capabilities); err != 0) reporter.fail("capabilities", "", err);
}

/** Shrinks the bounding set, then becomes the user. */
void dropRights(const Process& process, const Reporter& reporter) {
  if (const int err = dropBoundingSet(process.capabilities); err != 0) reporter.fail("capabilities", "bounding", err);
  becomeUser(process, reporter);
}

void joinKeyring(const Process& process, const Reporter& reporter) {
  if (sys::keyctl(KEYCTL_JOIN_SESSION_KEYRING, process.keyring.c_str()) < 0 && errno != ENOSYS) {
    reporter.warn("session keyring", process.keyring.c_str(), errno);
  }
}

void lockDown(const Process& process, const Reporter& reporter) {
  closeTheRest();
  if (!process.noNewPrivileges) return;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) reporter.fail("no_new_privs", "", errno);
  raiseWall(process, reporter);
}

/** What a workload that runs as another user than root wants of its streams and ids. */
void takeOrder(Process& process, const Reporter& reporter) {
  Result<Message> message = receiveMessage(reporter.socket());
  // Whoever was to order has gone: so does the sandbox.
  if (!message || message->endOfFile) ::_exit(125);
  if (!decodeOrder(message->text, process)) reporter.fail("order", "a broken message", EPROTO);
  if (message->fds[0] && ::dup2(message->fds[0].get(), STDIN_FILENO) < 0) reporter.fail("duplicate stream", "", errno);
  // Where it can't be made, entering it says so.
  (void)Fd(RootFs(AT_FDCWD).makeDirs(process.cwd.c_str()));
  enterDirectory(process, reporter);
  const UserIds& user = process.user;
  // What it is already: it was parked as root without groups.
  if (user.uid == 0 && user.gid == 0 && user.groups.empty()) return;
  for (int fd = 0; fd < 3; fd++) ownStream(fd, user.uid);
  becomeUser(process, reporter);
}

/** The pages that an order touches become this process's own before it comes: a caller would wait for each. */
void rehearseOrder(const Process& process) {
  Process other;
  (void)decodeOrder(encodeOrder(process), other);
}

/** After this there is only execve: a profile of the user's own may refuse everything else. */
void announce(const Reporter& reporter) {
  // The parent's end closed: whoever started this is gone, and his death signal may have come before prctl.
  pollfd parent{reporter.socket(), 0, 0};
  if (::poll(&parent, 1, 0) > 0 && (parent.revents & (POLLHUP | POLLERR)) != 0) ::_exit(125);
  reporter.ready();
}

[[noreturn]] void execute(const Process& process, const Reporter& reporter) {
  int err = ENOENT;
  for (const std::string& path : process.candidates) {
    ::execve(path.c_str(), process.argv.data(), process.envp.data());
    if (errno == EACCES) err = EACCES;
    if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) {
      err = errno;
      break;
    }
  }
  reporter.fail("exec", process.args[0].c_str(), err);
}

}  // namespace

int openTerminal(const Process& process, const Reporter& reporter) {
  const Fd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  struct statfs fs {};
  // A sandbox that is joined may have put anything in that place.
  if (!master || ::fstatfs(master.get(), &fs) < 0) reporter.fail("open", "/dev/pts/ptmx", errno);
  if (static_cast<unsigned long>(fs.f_type) != DEVPTS_SUPER_MAGIC) reporter.fail("open", "/dev/pts/ptmx", EPERM);
  int locked = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &locked) < 0) reporter.fail("unlock terminal", "", errno);
  // By the master itself, not by name: nobody can put another file there.
  const int slave = ::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) reporter.fail("open terminal", "", errno);
  (void)!::fchown(slave, process.user.uid, static_cast<gid_t>(-1));
  const TerminalSize& size = process.stdio.size;
  const winsize window{static_cast<unsigned short>(size.rows), static_cast<unsigned short>(size.columns), 0, 0};
  if (size.rows != 0) (void)::ioctl(master.get(), TIOCSWINSZ, &window);
  if (reporter.giveTerminal(master.get()) < 0) reporter.fail("hand over terminal", "", errno);
  return slave;
}

void runProcess(const Process& process, int slave, const Reporter& reporter) {
  takeTerminal(slave, reporter);
  enterDirectory(process, reporter);
  placeStreams(process, slave, reporter);
  setLimits(process, reporter);
  joinKeyring(process, reporter);
  changeLabel(process, reporter);
  (void)::umask(022);
  resetSignals();
  // Without no_new_privs only CAP_SYS_ADMIN may raise the wall or install a filter, so then these come before that
  // goes; the default profile lets the calls below pass.
  if (!process.noNewPrivileges) {
    raiseWall(process, reporter);
    installFilter(process, reporter);
  }
  dropRights(process, reporter);
  // Credentials that change clear it, so not earlier; init ends its sandbox itself, this is for when there is none.
  if (::getpid() == 1) (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  lockDown(process, reporter);
  announce(reporter);
  if (process.noNewPrivileges) installFilter(process, reporter);
  execute(process, reporter);
}

// The filter is in force while the order is taken: all that is called from then on is what every workload may call.
void parkProcess(Process& process, const Reporter& reporter) {
  takeTerminal(-1, reporter);
  placeStreams(process, -1, reporter);
  setLimits(process, reporter);
  joinKeyring(process, reporter);
  changeLabel(process, reporter);
  (void)::umask(022);
  resetSignals();
  dropRights(process, reporter);
  lockDown(process, reporter);
  installFilter(process, reporter);
  // Whatever the changed credentials did to that: nobody may look in until execve.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  rehearseOrder(process);
  reporter.parked();
  takeOrder(process, reporter);
  announce(reporter);
  execute(process, reporter);
}

}  // namespace lightv
