// Where this machine has its cgroup hierarchies, and how a group is made in each.
#pragma once

#include <string>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

inline constexpr const char* cgroupMountPoint = "/sys/fs/cgroup";

/** One mounted hierarchy. */
struct CgroupHierarchy {
  std::string mount;
  bool v2 = false;
  std::vector<std::string> controllers;  // v1: by its directory's name; v2: what its root offers

  [[nodiscard]] bool has(const std::string& controller) const;
};

/**
 * The hierarchies below `mountPoint` that a sandbox needs. Goes by the files that each has (cgroup.controllers is
 * only in v2, cgroup.procs in both): a readdir and a few access(2), no mountinfo.
 */
std::vector<CgroupHierarchy> findCgroupHierarchies(const std::string& mountPoint = cgroupMountPoint);

/**
 * Makes `mount + path` with everything above it: v1 cpusets get their parent's CPUs and nodes, v2 parents hand their
 * controllers down (that fails with a warning where processes live in an inner group: the kernel's "no internal
 * processes" rule, cgroup-v2.rst). A group that exists is fine.
 */
Status makeCgroup(const CgroupHierarchy& hierarchy, const std::string& path, std::vector<std::string>& warnings);

/** Removes a group and what is below it. EBUSY while a process is in it. Missing is fine. */
Status removeCgroup(const std::string& directory);

/** The control file into which a single-threaded process writes "0" to move itself. */
const char* selfJoinFile(const CgroupHierarchy& hierarchy);

/** Where /proc/self/cgroup's text says that its process is in `hierarchy`; empty when it does not say. */
std::string ownCgroup(const std::string& membership, const CgroupHierarchy& hierarchy);

}  // namespace lightv
