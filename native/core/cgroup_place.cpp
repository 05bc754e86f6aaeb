#include "core/cgroup_place.hpp"

#include <fcntl.h>
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

/** Empty where there is no /proc. */
std::string ownMembership() {
  const Result<std::string> text = readFile("/proc/self/cgroup");
  return text ? *text : std::string();
}

/**
 * The file of the monitors' group by which a process of this membership moves itself there; the group is made where it
 * is missing. Empty: it is there, or at the root. Nobody owns that: there is nothing to get away from, and each move
 * costs (on v2 an RCU grace period).
 */
Result<std::string> monitorGroupFile(const CgroupPlace& place, const CgroupHierarchy& hierarchy,
                                     const std::string& membership) {
  const std::string group = place.parent + "/monitors";
  const std::string own = ownCgroup(membership, hierarchy);
  if (own == "/" || own == group) return std::string();
  std::vector<std::string> warnings;
  if (Status made = makeCgroup(hierarchy, group, warnings); !made) return made.error();
  protectMonitors(hierarchy, place.parent, warnings);
  return hierarchy.mount + group + "/" + selfJoinFile(hierarchy);
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
  const std::string membership = ownMembership();
  for (const CgroupHierarchy& hierarchy : hierarchiesAt(place, mountPoint)) {
    const Result<std::string> file = monitorGroupFile(place, hierarchy, membership);
    if (!file) return file.error();
    const Status moved = file->empty() ? Status() : writeControlFile(*file, "0");
    if (moved.ok()) continue;
    Error error = moved.error();
    if (place.delegated && error.err == EACCES) error.hint = kElsewhere;
    return error;
  }
  return {};
}

Result<Fd> openMonitorGroup(const CgroupPlace& place, const std::string& mountPoint) {
  const std::string membership = ownMembership();
  for (const CgroupHierarchy& hierarchy : hierarchiesAt(place, mountPoint)) {
    if (!hierarchy.has("memory")) continue;
    const Result<std::string> file = monitorGroupFile(place, hierarchy, membership);
    if (!file) return file.error();
    return file->empty() ? Result<Fd>(Fd()) : openFile(*file, O_WRONLY);
  }
  return Fd();
}

}  // namespace lightv
