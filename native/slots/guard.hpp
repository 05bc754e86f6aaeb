// The process that watches over an agent on trial.
#pragma once

#include "slots/files.hpp"

namespace lightv {

/**
 * Leaves a process that kills the calling one with SIGKILL when the trial is still on after its deadline, leaving a
 * note of it first. It goes when the agent does, holds no descriptor but its own, and is nobody's child, so that the
 * agent need not reap it. Fails without a pidfd (before 5.3): then there must be no trial.
 */
Status startGuard(const SlotFiles& files, const Trial& trial);

}  // namespace lightv
