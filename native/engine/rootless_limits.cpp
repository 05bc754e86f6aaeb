#include "engine/rootless_limits.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/cgroup_limits.hpp"
#include "core/cgroup_place.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

/** v2's name of a v1 controller. */
std::string unifiedName(const std::string& controller) {
  return controller == "blkio" ? "io" : controller;
}

bool enforces(const CgroupHierarchy& hierarchy, const std::string& controller) {
  return hierarchy.has(controller) || (!hierarchy.v2 && controller == "io" && hierarchy.has("blkio"));
}

}  // namespace

std::vector<std::string> missingControllers(const Limits& limits, const std::vector<CgroupHierarchy>& hierarchies) {
  const DeviceNumbers asIs = [](const std::string&) { return std::nullopt; };
  std::set<std::string> needed;
  for (const auto& settings : {cgroupSettingsV2(limits, false, asIs), cgroupSettingsV1(limits, false, asIs)}) {
    for (const CgroupSetting& setting : settings) {
      if (!setting.optional) needed.insert(unifiedName(setting.controller));
    }
  }
  std::erase_if(needed, [&](const std::string& controller) {
    return std::any_of(hierarchies.begin(), hierarchies.end(),
                       [&](const CgroupHierarchy& hierarchy) { return enforces(hierarchy, controller); });
  });
  return {needed.begin(), needed.end()};
}

Status checkUserLimits(const Limits& limits, const std::string& cgroupParent) {
  if (limits == Limits()) return {};
  const std::vector<std::string> missing = missingControllers(limits, hierarchiesAt({cgroupParent, true}));
  if (missing.empty()) return {};
  return Error{
      "create", EPERM, "a limit can't be enforced: no cgroup with " + join(missing, ", ") + " is delegated to you",
      "leave the limit out, or start lightv by systemd-run --user --scope -p Delegate=yes; lightv info tells more",
      true};
}

}  // namespace lightv
