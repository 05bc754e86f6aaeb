// A program in a sandbox that somebody waits for: started here, or by the spawner where there is one.
#pragma once

#include <sys/types.h>

#include <string>

#include "engine/engine.hpp"
#include "engine/exec_request.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** SIGKILL; to its whole group when it leads one, as what a shell has started would go on. */
void killProgram(pid_t pid);
/** Waits for a child; its exit code, 128 + signal when a signal ended it. */
int reapProgram(pid_t pid);

class Program {
 public:
  /** `request` is parseExecRequest(`json`); its stdio's `out` and `err` become the program's, the caller closes his. */
  static Result<Program> start(const Engine& engine, const std::string& id, const std::string& json,
                               const ExecRequest& request);

  /** Readable when it has ended. */
  [[nodiscard]] int ended() const { return pid_ > 0 ? pidfd_.get() : connection_.get(); }
  /** Ends it by force. */
  void kill();
  /** Waits for its end, reaps it. */
  [[nodiscard]] int exitCode();

 private:
  pid_t pid_ = -1;  // a child of ours
  Fd pidfd_;
  Fd connection_;  // to the spawner, which has it as a child
};

}  // namespace lightv
