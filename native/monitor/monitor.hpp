// One sandbox's life: launch, log, attach, restart, exit record. One process each, started by Engine::start.
#pragma once

#include <string>
#include <string_view>

#include "monitor/layout.hpp"

namespace lightv {

/** The descriptor on which a monitor finds its first control connection. */
constexpr int kStartSocket = 3;

/** In a fork that becomes a monitor: `socket` to its place, 0 to 2 to /dev/null, nothing else of the caller stays open.
 */
bool keepOnlyStartSocket(int socket);

/** Of an environment entry: does it concern a monitor? The rest is the caller's, and holds his secrets. */
bool isMonitorVariable(std::string_view entry);

/** Of a process that becomes a monitor: signals, command line, environment, directory, umask. */
void settleAsMonitor(const std::string& title);

/**
 * The monitor itself: what `lightv --root R --runroot R __monitor ID` calls at once, with nothing open but 0 to 2 on
 * /dev/null and kStartSocket, on which a "start" request waits. Leaves its parent (forks), takes the sandbox's lock,
 * starts it and stays until it has ended for good. Failures go to the socket. Returns the process's exit code.
 *
 * An ordinary user's makes its user namespace first and then executes this program anew, `inside` of it: else its
 * memory were the first namespace's, and the user himself could not look into his sandboxes' PID 1, nor join them
 * (ptrace(2), "Ptrace access mode checking").
 */
int monitorMain(const Paths& paths, const std::string& id, bool inside = false);

/**
 * The same from a fork, for the child of a vfork(2), which has its parent's memory and holds him up: opens a session,
 * forks the monitor and ends. Changes nothing that the parent sees.
 */
[[noreturn]] void forkMonitorAndLeave(const Paths& paths, const std::string& id, int socket);

}  // namespace lightv
