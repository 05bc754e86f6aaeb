#include "cli/session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/detach.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

namespace {

/** A pipe with POLLOUT takes this much without blocking (pipe(7), PIPE_BUF). */
constexpr std::size_t kChunk = 4096;

sigset_t heldSet() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGPWR, SIGIO, SIGVTALRM, SIGPROF}) {
    ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

HeldSignals::HeldSignals() {
  const sigset_t held = heldSet();
  ::sigprocmask(SIG_BLOCK, &held, &before_);
  fd_ = Fd(::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK));
}

HeldSignals::~HeldSignals() {
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Session::Session(SessionOptions options, const HeldSignals& signals, Fd stdinEnd)
    : options_(std::move(options)), signals_(signals), stdinEnd_(std::move(stdinEnd)) {
  inputOpen_ = options_.copyInput && stdinEnd_.valid();
  if (!inputOpen_ && !options_.terminal) stdinEnd_.reset();
  // Writing to a pty blocks when its buffer is full, whatever poll(2) says; pipes don't up to kChunk.
  if (options_.terminal && stdinEnd_)
    (void)::fcntl(stdinEnd_.get(), F_SETFL, ::fcntl(stdinEnd_.get(), F_GETFL) | O_NONBLOCK);
}

SessionEnd Session::run() {
  // The program may close its input at any time; that is no reason for us to die.
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  if (options_.terminal) {
    copyWindowSize(STDIN_FILENO, stdinEnd_.get());
    if (inputOpen_) (void)raw_.enter(STDIN_FILENO);
  }
  DetachScanner scanner(options_.terminal ? options_.detachKeys : "");
  SessionEnd end = SessionEnd::ended;
  bool outputOpen = options_.ptyOutput >= 0;
  bool programEnded = false;
  while (!programEnded || outputOpen) {
    const bool mayRead = inputOpen_ && pending_.empty() && !programEnded;
    const bool mayWrite = stdinEnd_.valid() && !pending_.empty() && !programEnded;
    std::array<pollfd, 5> fds = {
        pollfd{signals_.fd(), POLLIN, 0}, pollfd{programEnded ? -1 : options_.ended, POLLIN, 0},
        pollfd{mayRead ? STDIN_FILENO : -1, POLLIN, 0}, pollfd{mayWrite ? stdinEnd_.get() : -1, POLLOUT, 0},
        pollfd{outputOpen ? options_.ptyOutput : -1, POLLIN, 0}};
    // What the program left running may hold the pty open for ever: once it has ended, only what is there is copied.
    const int ready = ::poll(fds.data(), fds.size(), programEnded ? 0 : -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    if (fds[0].revents != 0 && readSignal()) {
      end = SessionEnd::signalled;
      break;
    }
    if (fds[4].revents != 0 && !copyOutput()) outputOpen = false;
    if (fds[3].revents != 0) writeInput();
    if (fds[2].revents != 0) {
      readInput();
      std::string forward;
      detached_ = scanner.feed(pending_, forward);
      pending_ = std::move(forward);
      if (detached_) {
        end = SessionEnd::detached;
        break;
      }
    }
    if (fds[1].revents != 0) programEnded = true;
  }
  raw_.leave();
  ::sigaction(SIGPIPE, &before, nullptr);
  return end;
}

void Session::readInput() {
  std::array<char, kChunk> chunk;
  const ssize_t got = ::read(STDIN_FILENO, chunk.data(), chunk.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) {
    pending_.assign(chunk.data(), static_cast<std::size_t>(got));
    return;
  }
  inputOpen_ = false;
  if (!options_.terminal) closeInput();
}

void Session::writeInput() {
  const ssize_t put = ::write(stdinEnd_.get(), pending_.data(), pending_.size());
  if (put > 0) pending_.erase(0, static_cast<std::size_t>(put));
  if (put < 0 && errno != EINTR && errno != EAGAIN) {
    pending_.clear();
    closeInput();
  }
}

void Session::closeInput() {
  inputOpen_ = false;
  if (!options_.terminal) stdinEnd_.reset();
}

bool Session::copyOutput() {
  std::array<char, 16 * kChunk> chunk;
  const ssize_t got = ::read(options_.ptyOutput, chunk.data(), chunk.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  // EIO: the last process that had the terminal has closed it.
  if (got <= 0) return false;
  return writeAll(STDOUT_FILENO, {chunk.data(), static_cast<std::size_t>(got)}, "stdout").ok();
}

bool Session::readSignal() {
  signalfd_siginfo info{};
  while (::read(signals_.fd(), &info, sizeof info) == sizeof info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGWINCH) {
      if (options_.terminal) copyWindowSize(STDIN_FILENO, stdinEnd_.get());
    } else if (options_.forward) {
      options_.forward(signal);
    } else {
      signal_ = signal;
      return true;
    }
  }
  return false;
}

}  // namespace lightv::cli
