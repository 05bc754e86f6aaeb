// One run of a workload, from cgroup and image to the last process: what the monitor makes again at each restart.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/launch.hpp"
#include "core/park.hpp"
#include "monitor/bounded_layer.hpp"
#include "monitor/layout.hpp"
#include "monitor/records.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Descriptors and processes of a run. Destroying it without tearDown() leaves the processes. */
struct Execution {
  Cgroup cgroup;
  Fd ids;  // keeps others from the host's ids that it has (id_guard.hpp)
  Launched launched;
  Fd workload;         // pidfd of the workload
  Fd output, errors;   // our ends of its streams; with a terminal `output` is the pty master, `errors` nothing
  Fd oomEvents;        // of the cgroup, where there was time to open it
  BoundedLayer layer;  // where its writable layer's size is bounded
  Fd stdinEnd;         // what an attached client gets: write end of stdin, or the pty master
  std::vector<std::string> warnings;
};

/**
 * Starts the workload: launch()'s error convention. On failure nothing is left. `meanwhile` is done once, while the
 * sandbox sets itself up, unless the start fails before; when it fails, so does the start.
 */
Result<Execution> execute(const Spec& spec, const SandboxFiles& files, TerminalSize size,
                          const std::function<Status()>& meanwhile);

/** A run that is made up to the order to execute: no terminal, no stdin of its own. */
struct WaitingRun {
  Execution execution;  // without `launched`
  Parked parked;
  std::optional<Error> hostIds;  // why it has no user namespace, which its Spec asks for
};
/**
 * Its root is a copy of `imageMount`. `directory` is where its writable layer lies, now and under whatever name it gets
 * later.
 */
Result<WaitingRun> prepareRun(const Spec& spec, const std::string& directory, int imageMount);
/** Orders it to execute `spec`; awaitRun() then tells whether it did. */
Status orderRun(WaitingRun& run, const Spec& spec, Order order);
/** execute()'s other half. */
Result<Execution> awaitRun(WaitingRun run);
/** Ends one that nobody will order. */
void dropRun(WaitingRun& run);

/** What its terminal is now; zeros when there is none. */
TerminalSize terminalSize(const Execution& execution);

/** Sends a signal to the workload. One that has ended already is fine. */
Status signalWorkload(const Execution& execution, int signal);

/** Ends everything in the sandbox at once. */
void killAll(const Execution& execution);

/** How it ended: call it when Launched::status is readable. Tells OOM by the cgroup's counter. */
ExitInfo howItEnded(const Execution& execution);

/** Waits for PID 1 and removes the cgroup. What it could not remove the next looker finds. */
void tearDown(Execution& execution);

}  // namespace lightv
