// Cleaning up after monitors that died and operations that were cut short. Racing lookers are harmless: each takes the
// sandbox's lock first, or leaves it to who has it.
#pragma once

#include <string>

#include "core/spec.hpp"
#include "monitor/layout.hpp"
#include "monitor/records.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Does a run have traces but no monitor any more? A few stat(2). */
bool looksLost(const SandboxFiles& files);

/**
 * Records the loss of a monitor (exit code 137, `lost`) and removes what is left of the run: the cgroup with all that
 * is in it first; with autoRemove the sandbox too. Nothing when a monitor lives or somebody else is at it.
 */
Status settleIfLost(const SandboxFiles& files);
/** How such a run ended, for when that can't be written down. */
ExitRecord unsettledEnd(const SandboxFiles& files);

/** Finishes a removal or takes back a creation that was cut short. False when somebody is still at it. */
bool cleanHalf(const SandboxFiles& files);

/** Removes run directory and cgroup of an id that has no sandbox. False when somebody is still at it. */
bool cleanRun(const SandboxFiles& files);

}  // namespace lightv
