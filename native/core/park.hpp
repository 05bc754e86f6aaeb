// launch() in two halves, so that the first can be done ahead: a sandbox that stands, in which the workload's process
// waits for its order. What it is made from must hold for the later request; what may differ is named here.
#pragma once

#include <string>
#include <vector>

#include "core/launch.hpp"
#include "core/spec.hpp"
#include "core/users.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** A sandbox that waits. Destroying it ends the workload's process, and with PID 1's status socket the whole sandbox.
 */
struct Parked {
  Launched launched;
  Fd gate;                   // orders go in, reports come out; end of file when the workload's process is gone
  UserIds user;              // of the spec that it was made from
  std::uint32_t idBase = 0;  // of its user namespace; 0: it has none of its own
};

/** Makes one. `spec` has no terminal, an init, and no_new_privs. On failure nothing is left. */
Result<Parked> park(const Spec& spec, const LaunchParts& parts);

/** Gives it the host name of `spec`, with the files in /etc that say it. Before a mount of the user's may cover them.
 */
Status renameHost(const Parked& parked, const Spec& spec);

/** Resource limits by number; those absent stay as they are. */
struct ResourceLimit {
  int resource = 0;
  std::uint64_t soft = 0, hard = 0;
};

/** What a request brings that was not there when the sandbox was parked. */
struct Order {
  UserIds user;
  int in = -1;                        // the workload's stdin; -1: /dev/null
  std::vector<ResourceLimit> limits;  // before the spec's own
};

/** Orders the workload to execute what `spec` says. EMSGSIZE: too much for one message, nothing has happened. */
Status letGo(Parked& parked, const Spec& spec, const Order& order);

/** Does what letGo() does, but for what has an effect: what that touches is in memory afterwards. */
void rehearseOrder(const Parked& parked, const Spec& spec);

/** Waits until it executes: launch()'s error convention, but the caller ends what is left of a failed one. */
Result<Launched> awaitExecution(Parked& parked);

}  // namespace lightv
