// Device nodes for a user namespace, which may make none: its parent makes them, on a file system that is the host's,
// and the builder binds them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/operation.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * Makes a node for each device of the plan on a detached tmpfs, with the mode of the host's and the sandbox's root as
 * its owner: a node bound from the host would be owned by nobody there, and 0660 closed to all. The mount goes to the
 * plan's Step::nodes, each node's O_PATH descriptor to its device. EPERM where the engine may make none itself.
 */
Status makeDeviceNodes(std::vector<Operation>& operations, std::uint32_t idBase);

}  // namespace lightv
