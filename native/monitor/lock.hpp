// Who owns a sandbox just now: the lock file of its run directory (docs/sandbox.md, "Status").
//
// A monitor holds a POSIX lock (fcntl(2) F_SETLK): the kernel drops it when that process dies, whatever it forked.
// Whoever creates, cleans up or removes holds an open-file-description lock (F_OFD_SETLK) on the same file: the two
// kinds exclude each other, and threads of one process exclude each other too, which POSIX locks do not.
#pragma once

#include <sys/types.h>

#include <string>

#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class Holder { nobody, monitor, engine };

struct LockState {
  Holder holder = Holder::nobody;
  pid_t monitorPid = 0;
};

/** Asks without taking. A lock file that is missing is held by nobody. */
Result<LockState> whoHolds(const SandboxFiles& files);

/**
 * Takes the lock for an engine's operation and waits for at most `timeoutMs` while another one, or a monitor that is
 * ending, has it. Makes the run directory when it is missing. EBUSY: a monitor has it and its sandbox lives;
 * ETIMEDOUT: it was not let go. Released when the Fd closes.
 */
Result<Fd> lockForEngine(const SandboxFiles& files, int timeoutMs = 10000);
/** The same at once or not at all: EAGAIN when anybody has it. */
Result<Fd> tryLockForEngine(const SandboxFiles& files);

/** Takes the lock for the calling process as the monitor, waiting as above. EALREADY: another monitor has it. */
Result<Fd> lockForMonitor(const SandboxFiles& files, int timeoutMs = 10000);

}  // namespace lightv
