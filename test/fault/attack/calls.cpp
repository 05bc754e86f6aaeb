// System calls that a sandbox has no business with.
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <ctime>

#include "attack.hpp"

namespace attack {

std::string nameOf(int err) {
  switch (err) {
    case EPERM:
      return "EPERM";
    case EACCES:
      return "EACCES";
    case ENOSYS:
      return "ENOSYS";
    case EROFS:
      return "EROFS";
    case ENOENT:
      return "ENOENT";
    default:
      return "errno " + std::to_string(err);
  }
}

Result refused(long result, std::initializer_list<int> also) {
  const int err = errno;
  if (result >= 0) return reached("it worked");
  for (const int wall : also) {
    if (err == wall) return held(nameOf(err));
  }
  return err == EPERM || err == ENOSYS || err == EACCES ? held(nameOf(err)) : reached(nameOf(err));
}

namespace {

/** By number: glibc has no wrapper for most, and a wrapper may do something else. */
template <class... Args>
Result call(long number, Args... args) {
  return refused(::syscall(number, args...));
}

Result unshared(int flag) {
  return refused(::unshare(flag));
}

long cloneWith(unsigned long flags) {
  const long pid = ::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) ::_exit(0);
  return pid;
}

Result perfEvents() {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  return call(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

Result bpfMap() {
  union bpf_attr attributes {};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = attributes.value_size = 4;
  attributes.max_entries = 1;
  return call(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

Result typeAhead() {
  const int terminal = ::open("/dev/tty", O_RDWR);
  char letter = 'x';
  // The filter looks at the request, not at the descriptor: without a terminal another file shows as much.
  return refused(::ioctl(terminal < 0 ? 0 : terminal, TIOCSTI, &letter));
}

Result thirtyTwoBits() {
#if defined(__x86_64__)
  long result = 20;  // getpid of the 32-bit table, by the 32-bit entry
  asm volatile("int $0x80" : "+a"(result) : : "memory");
  return result > 0 ? reached("the 32-bit entry answers") : held("errno " + std::to_string(-result));
#else
  return held("no such entry on this machine");
#endif
}

Result xThirtyTwo() {
#if defined(__x86_64__)
  return call(0x40000000L | SYS_getpid);
#else
  return held("no such entry on this machine");
#endif
}

Result oldPackets() {
  return refused(::socket(AF_PACKET, SOCK_RAW, 0));
}

}  // namespace

std::vector<Attack> callAttacks() {
  return {
    {"init_module", [] { return call(SYS_init_module, nullptr, 0UL, ""); }},
        {"finit_module", [] { return call(SYS_finit_module, -1, "", 0); }},
        {"delete_module", [] { return call(SYS_delete_module, "no-such-module", O_NONBLOCK); }},
        {"kexec_load", [] { return call(SYS_kexec_load, 0UL, 0UL, nullptr, 0xFFUL); }},
        {"kexec_file_load", [] { return call(SYS_kexec_file_load, -1, -1, 0UL, "", 0xFFUL); }},
        // Without the magic numbers nothing restarts.
        {"reboot", [] { return call(SYS_reboot, 0, 0, 0, nullptr); }},
        {"clock_settime",
         [] {
           timespec now{};
           (void)::clock_gettime(CLOCK_REALTIME, &now);
           return refused(::clock_settime(CLOCK_REALTIME, &now));
         }},
        {"acct", [] { return refused(::acct("/no/such/file")); }},
        {"swapon", [] { return refused(::swapon("/no/such/file", 0)); }},
        {"swapoff", [] { return refused(::swapoff("/no/such/file")); }},
        {"syslog", [] { return call(SYS_syslog, 10, nullptr, 0); }},
        {"sethostname", [] { return refused(::sethostname("captured", 8)); }}, {"bpf", bpfMap},
        {"perf_event_open", perfEvents}, {"userfaultfd", [] { return call(SYS_userfaultfd, O_CLOEXEC); }},
        {"io_uring_setup", [] { return call(SYS_io_uring_setup, 1, nullptr); }},
        {"add_key", [] { return call(SYS_add_key, "user", "x", "y", 1UL, KEY_SPEC_SESSION_KEYRING); }},
        {"keyctl", [] { return call(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1); }},
        {"request_key", [] { return call(SYS_request_key, "user", "x", nullptr, KEY_SPEC_SESSION_KEYRING); }},
        {"unshare user", [] { return unshared(CLONE_NEWUSER); }},
        {"unshare mount", [] { return unshared(CLONE_NEWNS); }},
        {"unshare network", [] { return unshared(CLONE_NEWNET); }},
        {"unshare pid", [] { return unshared(CLONE_NEWPID); }},
        {"unshare cgroup", [] { return unshared(CLONE_NEWCGROUP); }},
        {"clone into a user namespace", [] { return refused(cloneWith(CLONE_NEWUSER)); }},
        {"clone3", [] { return call(SYS_clone3, nullptr, 0UL); }},
        {"setns", [] { return call(SYS_setns, ::open("/proc/1/ns/mnt", O_RDONLY), CLONE_NEWNS); }},
        {"personality", [] { return refused(::personality(ADDR_NO_RANDOMIZE)); }}, {"ioctl TIOCSTI", typeAhead},
        {"raw socket", [] { return refused(::socket(AF_INET, SOCK_RAW, 1)); }}, {"packet socket", oldPackets},
        {"vsock", [] { return refused(::socket(AF_VSOCK, SOCK_STREAM, 0)); }},
        {"open_by_handle_at", [] { return call(SYS_open_by_handle_at, -1, nullptr, O_RDONLY); }},
        {"quotactl", [] { return call(SYS_quotactl, 0x80000700U, nullptr, 0, nullptr); }},
        {"move_pages", [] { return call(SYS_move_pages, 1, 0UL, nullptr, nullptr, nullptr, 0); }},
        {"lookup_dcookie", [] { return call(SYS_lookup_dcookie, 0UL, nullptr, 0UL); }},
        {"32-bit system calls", thirtyTwoBits}, {"x32 system calls", xThirtyTwo},
#if defined(__x86_64__)
        {"iopl", [] { return call(SYS_iopl, 3); }}, {"ioperm", [] { return call(SYS_ioperm, 0x80UL, 1UL, 1); }},
#endif
  };
}

}  // namespace attack
