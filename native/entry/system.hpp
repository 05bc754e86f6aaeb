// What the early entry asks of the kernel, without a C library.
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

#include "sys/raw_call.hpp"

namespace lightv::entry::sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return lightv::sys::rawCall(number, a, b, c, d, e, f);
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
