// How a monitor's process comes to be.
#pragma once

#include <sys/types.h>

#include <string>

#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * The process that makes a sandbox's monitor and leaves, which its caller has to wait for. `socket` is the monitor's
 * first connection, and no descriptor below kStartSocket + 1.
 *
 * Of a process with one thread: a fork of it.
 */
Result<pid_t> forkMonitor(const Paths& paths, const std::string& id, int socket);

/** The same of a process with threads, by executing `binary`, a `lightv`. Waits for the execve. */
Result<pid_t> spawnMonitor(const Paths& paths, const std::string& id, int socket, const std::string& binary);

}  // namespace lightv
