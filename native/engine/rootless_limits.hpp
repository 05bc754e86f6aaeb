// What of a user's limits no cgroup of his can enforce.
#pragma once

#include <string>
#include <vector>

#include "core/cgroup_tree.hpp"
#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Controllers, by v2's names, that `limits` need and none of `hierarchies` has. Pure. */
std::vector<std::string> missingControllers(const Limits& limits, const std::vector<CgroupHierarchy>& hierarchies);

/** EPERM for limits that were asked for and would not hold: whoever gives one relies on it. */
Status checkUserLimits(const Limits& limits, const std::string& cgroupParent);

}  // namespace lightv
