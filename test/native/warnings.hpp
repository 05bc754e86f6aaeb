// What a start may warn of on the machine under test.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/cgroup_tree.hpp"

namespace lvtest {

/** Warnings but the one that belongs to each start where no cgroup controller filters devices: v2 has none. */
inline std::vector<std::string> unexpected(std::vector<std::string> warnings) {
  const auto all = lightv::findCgroupHierarchies();
  const bool filtered = std::any_of(all.begin(), all.end(), [](const auto& one) { return one.has("devices"); });
  if (!filtered) std::erase(warnings, "device access is not filtered by cgroup on this machine");
  return warnings;
}

}  // namespace lvtest
