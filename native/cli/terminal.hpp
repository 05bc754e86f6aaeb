// The user's terminal: raw mode and its restoration, window size.
#pragma once

#include <termios.h>

#include "core/launch.hpp"
#include "sys/result.hpp"

namespace lightv::cli {

bool isTerminal(int fd);

/** Raw mode of a terminal for as long as this lives. Signals can't skip the restoration: a Session holds them back. */
class RawMode {
 public:
  RawMode() = default;
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() { leave(); }

  /** ENOTTY when `fd` is no terminal. */
  Status enter(int fd);
  void leave();

 private:
  int fd_ = -1;
  termios before_{};
};

/** Gives terminal `to` the window size of terminal `from`. Errors don't matter: then the size stays. */
void copyWindowSize(int from, int to);
/** Rows and columns of the terminal `fd`; zeros when it is none. */
TerminalSize windowSize(int fd);
/** Columns of the terminal `fd`; 80 when it does not say. */
unsigned terminalWidth(int fd);

}  // namespace lightv::cli
