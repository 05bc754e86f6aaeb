// System calls without a C library: the number and up to five arguments, the kernel's own answer (a negative errno).
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

namespace lightv::entry::sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  register long sixth __asm__("r9") = f;
  long result = number;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long which __asm__("x8") = number;
  register long first __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  register long fifth __asm__("x4") = e;
  register long sixth __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(first)
                   : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "memory");
  return first;
#else
#error "this processor has no early entry: leave it out (CMakeLists.txt)"
#endif
}

inline long address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

/** Bit n - 1 is signal n, as the kernel has it. */
using SignalSet = std::uint64_t;

inline bool isOpen(int fd) {
  return call(SYS_fcntl, fd, F_GETFD) >= 0;
}
inline void close(long fd) {
  if (fd >= 0) (void)call(SYS_close, fd);
}
inline long open(const char* path, int flags) {
  return call(SYS_openat, AT_FDCWD, address(path), flags | O_CLOEXEC);
}
inline long read(long fd, char* into, std::size_t size) {
  return call(SYS_read, fd, address(into), static_cast<long>(size));
}
inline long changeMask(int how, const SignalSet& set, SignalSet* before) {
  return call(SYS_rt_sigprocmask, how, address(&set), address(before), sizeof set);
}
inline long openSignals(const SignalSet& set) {
  return call(SYS_signalfd4, -1, address(&set), sizeof set, SFD_CLOEXEC | SFD_NONBLOCK);
}
/** Milliseconds; below zero: for ever. */
inline long poll(pollfd* set, std::size_t count, int timeoutMs) {
  timespec time;
  time.tv_sec = timeoutMs / 1000;
  time.tv_nsec = timeoutMs % 1000 * 1'000'000L;
  return call(SYS_ppoll, address(set), static_cast<long>(count), timeoutMs < 0 ? 0 : address(&time));
}
[[noreturn]] inline void exit(int code) {
  for (;;) (void)call(SYS_exit_group, code);
}

}  // namespace lightv::entry::sys
