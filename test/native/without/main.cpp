// without NAME[,NAME...] -- COMMAND [ARG...]
//
// Runs a command, and all that it begins, on a kernel that seems to lack these: openat2 clone3 idmap pidfd userns
// erofs-file erofs. For root alone: the filter goes without no_new_privs, which sandboxes would inherit. Exits as the
// command does, which finds the names in LIGHTV_WITHOUT. What outlives the command and asks later for what this process
// would have to decide gets ENOSYS.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "filter.hpp"

namespace {

using without::Missing;

int fail(const char* what) {
  std::perror(what);
  return 125;
}

bool sendDescriptor(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1;
}

int receiveDescriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (header != nullptr) std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

/** In the child: from here on the filter holds. */
int become(const Missing& missing, const char* names, int socket, char** argv) {
  std::vector<sock_filter> program = without::compile(missing.rules);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  const long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener < 0) return fail("seccomp");
  if (!sendDescriptor(socket, static_cast<int>(listener))) return fail("sendmsg");
  close(static_cast<int>(listener));
  close(socket);
  (void)setenv("LIGHTV_WITHOUT", names, 1);
  execvp(argv[0], argv);
  return fail(argv[0]);
}

std::string readMemory(pid_t pid, std::uint64_t at, std::size_t most) {
  const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  std::string text(most, '\0');
  const ssize_t got = memory < 0 ? -1 : pread(memory, text.data(), most, static_cast<off_t>(at));
  if (memory >= 0) close(memory);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

bool startsWith(const std::string& text, const char* word) {
  return text.compare(0, std::strlen(word), word) == 0;
}

/** The error that this call gets; 0: it goes on. */
int decide(const Missing& missing, const seccomp_notif& asked) {
  const auto pid = static_cast<pid_t>(asked.pid);
  const __u64* args = asked.data.args;
  switch (asked.data.nr) {
    case SYS_clone3: {
      std::uint64_t flags = 0;
      const std::string memory = readMemory(pid, args[0], sizeof flags);
      if (memory.size() == sizeof flags) std::memcpy(&flags, memory.data(), sizeof flags);
      return missing.userNamespaces && (flags & CLONE_NEWUSER) != 0 ? EINVAL : 0;
    }
    case SYS_fsopen:
      return missing.erofs && readMemory(pid, args[0], 6) == std::string("erofs\0", 6) ? ENODEV : 0;
    case SYS_fsconfig:
      // A file as the source of a file system, as image/mount names it.
      return missing.erofsFiles && startsWith(readMemory(pid, args[2], 7), "source") &&
                     startsWith(readMemory(pid, args[3], 14), "/proc/self/fd/")
                 ? ENOTBLK
                 : 0;
    default:
      return 0;
  }
}

void answer(const Missing& missing, int listener) {
  seccomp_notif asked{};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;
  seccomp_notif_resp reply{};
  reply.id = asked.id;
  reply.error = -decide(missing, asked);
  if (reply.error == 0) reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);  // ENOENT: who asked has been killed
}

int supervise(const Missing& missing, int listener, pid_t child) {
  for (;;) {
    pollfd entry{listener, POLLIN, 0};
    if (poll(&entry, 1, 20) > 0 && (entry.revents & POLLIN) != 0) answer(missing, listener);
    int status = 0;
    if (waitpid(child, &status, WNOHANG) != child) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Missing missing;
  bool known = argc > 3 && std::strcmp(argv[2], "--") == 0;
  const std::string names = argc > 1 ? argv[1] : "";
  for (std::size_t at = 0; known && at <= names.size();) {
    const std::size_t comma = std::min(names.find(',', at), names.size());
    known = without::addFeature(names.substr(at, comma - at), missing);
    at = comma + 1;
  }
  if (!known) {
    std::fputs("usage: without NAME[,NAME...] -- COMMAND [ARG...]\nnames:", stderr);
    for (const std::string& name : without::featureNames()) std::fprintf(stderr, " %s", name.c_str());
    std::fputs("\n", stderr);
    return 2;
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail("socketpair");
  const pid_t child = fork();
  if (child < 0) return fail("fork");
  if (child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(become(missing, argv[1], ends[1], argv + 3));
  }
  close(ends[1]);
  const int listener = receiveDescriptor(ends[0]);
  if (listener < 0) (void)kill(child, SIGKILL);
  return supervise(missing, listener, child);
}
