#include "engine/rootless_report.hpp"

#include "core/cgroup_place.hpp"
#include "core/user_namespace.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/rootless_limits.hpp"
#include "rootless/map_helpers.hpp"
#include "rootless/refusal.hpp"
#include "rootless/user.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

/** A limit of every kind that has a controller of its own. */
Limits oneOfEach() {
  Limits limits;
  limits.memoryMax = limits.cpuQuotaUs = 1;
  limits.pidsMax = 1;
  limits.ioWeight = 100;
  limits.cpusetCpus = "0";
  return limits;
}

std::uint64_t count(const IdMap& map) {
  std::uint64_t sum = 0;
  for (const IdExtent& extent : map) sum += extent.count;
  return sum;
}

}  // namespace

std::vector<std::string> whatUserLacks(const Paths& paths) {
  std::vector<std::string> lacks;
  if (std::string closed = closedSwitch(readNamespaceSwitches()); !closed.empty())
    lacks.push_back("user namespaces are closed to users: " + std::move(closed));
  for (const char* helper : {"newuidmap", "newgidmap"}) {
    if (findHelper(helper).empty()) lacks.push_back(std::string(helper) + ": as root: apt-get install uidmap");
  }
  const Result<UserMaps> maps = mapsOf(currentUser());
  if (!maps) {
    lacks.push_back(maps.error().message());
  } else if (count(maps->users) < kIdRangeSize || count(maps->groups) < kIdRangeSize) {
    lacks.push_back("ids: " + std::to_string(count(maps->users)) + " users and " + std::to_string(count(maps->groups)) +
                    " groups, " + std::to_string(kIdRangeSize) + " are usual: an image with others can't be unpacked");
  }
  const std::vector<std::string> missing = missingControllers(oneOfEach(), hierarchiesAt(defaultCgroupPlace(paths)));
  if (!missing.empty()) lacks.push_back("limits that need the cgroup controllers " + join(missing, ", "));
  return lacks;
}

}  // namespace lightv
