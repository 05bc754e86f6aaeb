// A sandbox that nobody has asked for yet: its id, run directory, lock, control socket, log, cgroup and namespaces are
// there. Whoever asks gives it what is left, and its maker becomes its monitor.
#pragma once

#include <string>

#include "core/spec.hpp"
#include "monitor/execution.hpp"
#include "monitor/layout.hpp"
#include "monitor/log_writer.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

struct Prepared {
  WaitingRun run;
  LogWriter log{"", LogOptions{}};
  std::string logWarning;
  Fd lock, listener;
};

/**
 * Makes one in `files.newDirectory()`, which is there, of a copy of `imageMount`; `lock` is the sandbox's, held by this
 * process as its monitor. state.json says "created": should this process vanish once the sandbox is visible, lookers
 * know. On failure neither cgroup nor process is left; the directories are the caller's.
 */
Result<Prepared> prepareSandbox(const Spec& spec, const SandboxFiles& files, int imageMount, Fd lock);

}  // namespace lightv
