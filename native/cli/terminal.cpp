#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace lightv::cli {

bool isTerminal(int fd) {
  return ::isatty(fd) == 1;
}

Status RawMode::enter(int fd) {
  if (::tcgetattr(fd, &before_) != 0) return Error{"read the terminal's mode", errno};
  termios raw = before_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSADRAIN, &raw) != 0) return Error{"set the terminal to raw mode", errno};
  fd_ = fd;
  return {};
}

void RawMode::leave() {
  if (fd_ < 0) return;
  (void)::tcsetattr(fd_, TCSADRAIN, &before_);
  fd_ = -1;
}

void copyWindowSize(int from, int to) {
  winsize size{};
  if (::ioctl(from, TIOCGWINSZ, &size) == 0 && size.ws_row != 0) (void)::ioctl(to, TIOCSWINSZ, &size);
}

TerminalSize windowSize(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_row, size.ws_col};
}

unsigned terminalWidth(int fd) {
  winsize size{};
  constexpr unsigned fallback = 80;
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : fallback;
}

}  // namespace lightv::cli
