#include "core/cgroup_place.hpp"

#include <unistd.h>

#include <cerrno>

#include "core/monitors_reserve.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

bool isOurs(const std::string& group) {
  return ::access(group.c_str(), W_OK) == 0 && ::access((group + "/cgroup.procs").c_str(), W_OK) == 0;
}

/** The group at `path` or, when that is not there, the nearest above it. */
std::string nearest(const CgroupHierarchy& hierarchy, std::string path) {
  while (path.size() > 1 && !exists(hierarchy.mount + path)) path = parentPath(path);
  return path == "/" ? hierarchy.mount : hierarchy.mount + path;
}

/** The topmost group on the way to `path` that is ours; empty: none. */
std::string topmost(const CgroupHierarchy& hierarchy, const std::string& path) {
  std::string group;
  for (const std::string& name : split(path, '/')) {
    if (name.empty()) continue;
    group += "/" + name;
    if (isOurs(hierarchy.mount + group)) return group;
  }
  return {};
}

}  // namespace

CgroupPlace placeOf(const Spec& spec) {
  return {spec.cgroupParent, spec.userns == UserNamespace::rootless};
}

std::vector<CgroupHierarchy> hierarchiesAt(const CgroupPlace& place, const std::string& mountPoint) {
  std::vector<CgroupHierarchy> hierarchies = findCgroupHierarchies(mountPoint);
  if (!place.delegated) return hierarchies;
  std::erase_if(hierarchies, [&](CgroupHierarchy& hierarchy) {
    const std::string group = nearest(hierarchy, place.parent);
    if (!isOurs(group)) return true;
    // What the root of the machine offers may not come down to here.
    if (!hierarchy.v2) return false;
    const Result<std::string> offered = readFile(group + "/cgroup.controllers");
    hierarchy.controllers = offered ? split(trim(*offered), ' ') : std::vector<std::string>();
    return false;
  });
  return hierarchies;
}

std::string delegatedParent(const std::string& membership, const std::string& mountPoint) {
  for (const CgroupHierarchy& hierarchy : findCgroupHierarchies(mountPoint)) {
    const std::string group = topmost(hierarchy, ownCgroup(membership, hierarchy));
    if (!group.empty()) return group + "/lightv";
  }
  return {};
}

Status ensureMonitorGroup(const CgroupPlace& place, const std::string& mountPoint) {
  std::vector<std::string> warnings;
  const std::string group = place.parent + "/monitors";
  const Result<std::string> membership = readFile("/proc/self/cgroup");
  for (const CgroupHierarchy& hierarchy : hierarchiesAt(place, mountPoint)) {
    // Nobody owns the root: there is nothing to get away from, and each move costs (on v2 an RCU grace period).
    const std::string own = membership ? ownCgroup(*membership, hierarchy) : std::string();
    if (own == "/" || own == group) continue;
    if (Status made = makeCgroup(hierarchy, group, warnings); !made) return made;
    protectMonitors(hierarchy, place.parent, warnings);
    const Status moved = writeControlFile(hierarchy.mount + group + "/" + selfJoinFile(hierarchy), "0");
    if (moved.ok()) continue;
    Error error = moved.error();
    if (place.delegated && error.err == EACCES) error.hint = kElsewhere;
    return error;
  }
  return {};
}

}  // namespace lightv
