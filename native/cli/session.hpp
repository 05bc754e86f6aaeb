// A client's time with a program in the foreground: copies its input, forwards signals, follows the window size.
#pragma once

#include <csignal>
#include <functional>
#include <string>

#include "cli/terminal.hpp"
#include "sys/fd.hpp"

namespace lightv::cli {

/**
 * Holds back the signals that a foreground client forwards or must not die of, from before the program starts until it
 * has ended; they wait for the session. Job control (SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT) stays as it is.
 */
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();
  /** A descriptor from which they are read. */
  [[nodiscard]] int fd() const { return fd_.get(); }
  /** For a program that is executed from here: the mask as it was before. */
  [[nodiscard]] const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
  Fd fd_;
};

struct SessionOptions {
  bool terminal = false;                    // raw mode on stdin, window size to `stdinEnd`, detach keys
  bool copyInput = false;                   // stdin -> stdinEnd
  int ptyOutput = -1;                       // a pty master to copy to stdout: when no monitor does that (exec)
  int ended = -1;                           // readable when the program has ended
  std::string detachKeys;                   // bytes
  std::function<void(int signal)> forward;  // empty: the signal ends the session
};

enum class SessionEnd { ended, detached, signalled };

class Session {
 public:
  /** `stdinEnd`: the program's standard input, or its pty's master; may be invalid. */
  Session(SessionOptions options, const HeldSignals& signals, Fd stdinEnd);
  /** Runs until the program has ended, the user has detached, or a signal that nobody forwards came. */
  SessionEnd run();
  /** The signal of SessionEnd::signalled. */
  [[nodiscard]] int signal() const { return signal_; }

 private:
  void readInput();
  void writeInput();
  bool copyOutput();
  void closeInput();
  bool readSignal();

  SessionOptions options_;
  const HeldSignals& signals_;
  Fd stdinEnd_;
  RawMode raw_;
  std::string pending_;  // typed, not yet taken by the program
  bool inputOpen_ = false;
  bool detached_ = false;
  int signal_ = 0;
};

}  // namespace lightv::cli
