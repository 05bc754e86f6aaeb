// The memory in which the kernel put this process's first command line and environment.
#pragma once

#include <string_view>

namespace lightv {

/**
 * /proc/PID/cmdline and /proc/PID/environ are read from there, by others too: a forked copy of a client would show the
 * client's flags, and so the host's paths and secrets, to a sandbox.
 */
class StartArea {
 public:
  /** Empty where /proc does not say; the other functions then do nothing. Must come before PR_SET_DUMPABLE. */
  static StartArea find();

  /** The command line becomes `title` and nothing else. Allocates nothing. */
  void setTitle(std::string_view title) const;
  /** Zeros. Whatever `environ` pointed to is gone. Allocates nothing. */
  void wipeEnvironment() const;

 private:
  static StartArea read();

  char* arguments_ = nullptr;
  char* argumentsEnd_ = nullptr;
  char* environment_ = nullptr;
  char* environmentEnd_ = nullptr;
};

}  // namespace lightv
