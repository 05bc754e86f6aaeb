// Where a sandbox's cgroups go, and what of a machine's hierarchies an ordinary user may use.
#pragma once

#include <string>
#include <vector>

#include "core/cgroup_tree.hpp"
#include "core/spec.hpp"
#include "sys/fd.hpp"

namespace lightv {

struct CgroupPlace {
  // NOLINTNEXTLINE(google-explicit-constructor): a path alone is a place of root's
  CgroupPlace(std::string path, bool isDelegated = false) : parent(std::move(path)), delegated(isDelegated) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  CgroupPlace(const char* path) : CgroupPlace(std::string(path)) {}

  std::string parent;
  /** Only in the hierarchies where the place, or what is there above it, is the caller's to write. */
  bool delegated = false;
};

CgroupPlace placeOf(const Spec& spec);

/** For who may write a delegated group and still move nothing into it: he is in none above it that is his. */
inline constexpr const char* kElsewhere =
    "your process is in another cgroup than was delegated: start lightv by systemd-run --user --scope -p Delegate=yes";

/** The hierarchies in which a group can be made at the place. */
std::vector<CgroupHierarchy> hierarchiesAt(const CgroupPlace& place, const std::string& mountPoint = cgroupMountPoint);

/**
 * For a process with this /proc/self/cgroup: the parent of its user's sandboxes, below the topmost group above it that
 * is his (cgroup-v2.rst, "Delegation"; v2 lets nobody move a process out of what was delegated). v2's if there is one,
 * else the first v1 hierarchy's; empty: nothing was delegated.
 */
std::string delegatedParent(const std::string& membership, const std::string& mountPoint = cgroupMountPoint);

/**
 * Moves the calling process, which must have one thread, to <parent>/monitors in every hierarchy where it is not at the
 * root already, so that no service manager's unit owns it.
 */
Status ensureMonitorGroup(const CgroupPlace& place = "/lightv", const std::string& mountPoint = cgroupMountPoint);

/**
 * That group's file in the hierarchy that accounts memory, for a child that is to be a monitor and writes "0" to it
 * before it executes: what it touches until then is charged to its parent's group, and stays there (memory.rst, "Task
 * migration"). Empty where the caller's own group is as good, or nothing accounts memory.
 */
Result<Fd> openMonitorGroup(const CgroupPlace& place, const std::string& mountPoint = cgroupMountPoint);

}  // namespace lightv
