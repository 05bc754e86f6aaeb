// What a child tells launch() or execInside() between clone and exec: fixed-size records over a SEQPACKET socket that
// closes on exec. End of file after `ready` is success.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class ReportKind : std::uint32_t { warning, error, ready, terminal, child, parked };

struct ChildReport {
  ReportKind kind = ReportKind::error;
  std::int32_t err = 0;
  char op[24] = {};
  char detail[480] = {};
};

/** The child's side. Allocates nothing. */
class Reporter {
 public:
  explicit Reporter(int socket) : socket_(socket) {}

  /** Tells the error and ends the process. */
  [[noreturn]] void fail(const char* op, const char* detail, int err) const;
  void warn(const char* op, const char* detail, int err) const;
  /** The next thing is execve. The kernel adds the sender's pid. */
  void ready() const;
  /** All stands but the last stretch, for which an order is awaited. The kernel adds the sender's pid. */
  void parked() const;
  /** Hands over the pty's master. -1 with errno when it can't. */
  [[nodiscard]] int giveTerminal(int master) const;
  /** Tells of a process that the caller has to reap. */
  void child(pid_t pid) const;
  /** Waits for release(); ends the process when the other side is gone. */
  void awaitRelease() const;
  [[nodiscard]] int socket() const { return socket_; }

 private:
  void send(ReportKind kind, const char* op, const char* detail, int err) const;
  int socket_;
};

/** What the parent heard until the socket closed. */
struct ChildStory {
  bool ready = false;
  bool parked = false;
  pid_t pid = -1;              // of who was ready or parked, as this process sees it
  pid_t child = -1;            // of Reporter::child()
  std::optional<Error> error;  // the first one; op "exec" is the workload's fault
  Fd ptyMaster;
  std::vector<std::string> warnings;
};

/** A connected pair; the parent's end tells who sends. */
Status makeReportPair(Fd& parent, Fd& child);
/** Lets the child go on. */
Status release(int socket);
/** Listens until one is parked, or until end of file: every holder of the child's end has executed or ended. */
ChildStory listenToChild(int socket);

}  // namespace lightv
