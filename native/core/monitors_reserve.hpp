// Memory that is never taken from the monitors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cgroup_tree.hpp"

namespace lightv {

/** For all monitors together (configs/systemd/lightv.slice has the sum of all). */
inline constexpr std::uint64_t kMonitorsReserveBytes = 8U << 20;

/** The group below a service manager's unit in which its sandboxes are. */
inline constexpr const char* kDelegatedGroup = "/sandboxes";

/**
 * Of v2 alone, and below a unit alone: there `parent` ends with kDelegatedGroup. Each group from the unit to `monitors`
 * must have it, as a child's counts no further than its parent's (cgroup-v2.rst, memory.min). To be called whenever
 * the groups may be new: systemd removes those of a unit that has no process, and what it had set with them. A kernel
 * without memory control has no such file; what else fails is a warning.
 */
void protectMonitors(const CgroupHierarchy& hierarchy, const std::string& parent, std::vector<std::string>& warnings);

}  // namespace lightv
