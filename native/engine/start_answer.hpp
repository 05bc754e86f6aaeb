// How a start went: the first word of a sandbox's monitor, be it new or one that was prepared.
#pragma once

#include "engine/engine.hpp"
#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Waits for it up to `timeoutMs`. ETIMEDOUT: the monitor was killed, and what it had begun has ended; EPIPE: it has
 * ended. */
Result<Started> takeStartAnswer(const SandboxFiles& files, Fd socket, int timeoutMs);

}  // namespace lightv
