// Other processes, what was left open, rights that grow.
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "attack.hpp"

namespace attack {
namespace {

constexpr int kMostProcesses = 8;
constexpr pid_t kManyPids = 40000;

/** Only what this sandbox has: PID 1, a shell perhaps, ourselves. */
Result strangers() {
  int count = 0;
  DIR* directory = ::opendir("/proc");
  if (directory == nullptr) return held("no /proc");
  while (const dirent* entry = ::readdir(directory)) {
    if (std::strspn(entry->d_name, "0123456789") == std::strlen(entry->d_name)) count++;
  }
  ::closedir(directory);
  return count > kMostProcesses ? reached(std::to_string(count) + " processes")
                                : held(std::to_string(count) + " of its own");
}

Result signalsOut() {
  for (pid_t pid = 50; pid < kManyPids; pid++) {
    if (pid != ::getpid() && pid != ::getppid() && ::kill(pid, 0) == 0) return reached("pid " + std::to_string(pid));
  }
  return held("nobody is there");
}

Result traceInit() {
  return refused(::ptrace(PTRACE_SEIZE, 1, nullptr, nullptr), {ESRCH});
}

Result readInit() {
  char byte = 0;
  iovec mine{&byte, 1};
  iovec theirs{reinterpret_cast<void*>(0x400000), 1};
  return refused(::process_vm_readv(1, &mine, 1, &theirs, 1, 0), {ESRCH});
}

Result stealDescriptor() {
  const long init = ::syscall(SYS_pidfd_open, 1, 0);
  if (init < 0) return held(nameOf(errno));
  return refused(::syscall(SYS_pidfd_getfd, init, 0, 0));
}

Result openDescriptors() {
  for (int fd = 3; fd < 1024; fd++) {
    // The attacker's own: the pipe by which this process tells how it went.
    struct stat info {};
    if (::fstat(fd, &info) == 0 && !S_ISFIFO(info.st_mode)) return reached("descriptor " + std::to_string(fd));
  }
  return held("none above 2");
}

Result workingDirectory() {
  char path[4096];
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) return held(nameOf(errno));
  return path[0] == '/' ? held(path) : reached(path);
}

Result environment() {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    if (std::strncmp(*entry, "LIGHTV", 6) == 0 || std::strncmp(*entry, "NOTIFY_SOCKET", 13) == 0)
      return reached(*entry);
  }
  return held("nothing of the engine's");
}

Result noNewRights() {
  return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? held("no_new_privs") : reached("no_new_privs is off");
}

Result inheritable() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("CapInh:", 0) != 0 && line.rfind("CapAmb:", 0) != 0) continue;
    if (line.find_first_not_of("0", line.find('\t') + 1) != std::string::npos) return reached(line);
  }
  return held("inheritable and ambient sets are empty");
}

/** A set-user-ID copy of ourselves, as another user: what it gains. */
Result setUserId() {
  for (const char* directory : {"/tmp", "/dev/shm"}) {
    const std::string path = std::string(directory) + "/climb";
    std::ofstream copy(path, std::ios::binary);
    copy << std::ifstream("/proc/self/exe", std::ios::binary).rdbuf();
    copy.close();
    if (::chmod(path.c_str(), 04755) != 0) continue;
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::geteuid() == 0 && ::setresuid(4711, 4711, 4711) != 0) ::_exit(3);
      const int out = ::open("/dev/null", O_WRONLY);
      (void)::dup2(out, 1);
      ::execl(path.c_str(), "attacker", "--setuid", nullptr);
      ::_exit(4);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    ::unlink(path.c_str());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      // It ran; no_new_privs is what keeps its bit from counting.
      return noNewRights();
    }
  }
  return held("no place for one, or it does not run");
}

Result overwriteInit() {
  if (const Result one = notOpened("/proc/1/exe", O_RDONLY); one.reached) return one;
  return notOpened("/proc/1/exe", O_WRONLY);
}

Result memoryOfInit() {
  return notOpened("/proc/1/mem", O_RDWR);
}

Result descriptorsOfInit() {
  char target[256];
  for (int fd = 0; fd < 64; fd++) {
    const std::string path = "/proc/1/fd/" + std::to_string(fd);
    if (::readlink(path.c_str(), target, sizeof target) >= 0) return reached(path);
  }
  return held("none can be looked at");
}

Result rightsBeyondMine() {
  // Every capability that the default set does not have, asked of the kernel itself.
  for (const int capability :
       {2, 9, 12, 13, 14, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35}) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) return reached("capability " + std::to_string(capability));
  }
  return held("bounded");
}

Result lowerOomScore() {
  std::ofstream file("/proc/self/oom_score_adj");
  file << -1000 << std::flush;
  return file.good() ? reached("-1000") : held("refused");
}

/** The test listens on it in the host's network, where the kernel has what keeps it out of reach. */
Result abstractSocketOutside() {
  const char* name = std::getenv("ATTACK_SOCKET");
  if (name == nullptr) return held("nobody listens");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (void)std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(name));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return reached(name);
  return held(nameOf(errno));
}

}  // namespace

std::vector<Attack> processAttacks() {
  return {
      {"processes of others", strangers},
      {"signals to others", signalsOut},
      {"ptrace PID 1", traceInit},
      {"read PID 1", readInit},
      {"memory of PID 1", memoryOfInit},
      {"descriptors of PID 1", descriptorsOfInit},
      {"take a descriptor of PID 1", stealDescriptor},
      {"overwrite the runtime", overwriteInit},
      {"descriptors left open", openDescriptors},
      {"working directory outside", workingDirectory},
      {"environment of the engine", environment},
      {"set-user-ID program", setUserId},
      {"no_new_privs", noNewRights},
      {"inheritable capabilities", inheritable},
      {"bounding set", rightsBeyondMine},
      {"oom_score_adj", lowerOomScore},
      {"abstract socket outside", abstractSocketOutside},
  };
}

}  // namespace attack
