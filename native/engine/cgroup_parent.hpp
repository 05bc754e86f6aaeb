// Below which cgroup sandboxes live when nobody says otherwise, and how a service manager's unit becomes that cgroup.
#pragma once

#include <string>
#include <string_view>

#include "core/cgroup_place.hpp"
#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Where no service manager has handed a subtree to us. */
inline constexpr const char* kPlainCgroupParent = "/lightv";

/** Where the delegated parent is written: a line with an absolute path. */
std::string cgroupParentFile(const Paths& paths);

/**
 * The one place that decides: what RUN/cgroup-parent says, else kPlainCgroupParent. A file that says anything but a
 * clean absolute path is as none. Of an ordinary user before the latter: what was delegated to him.
 */
std::string defaultCgroupParent(const Paths& paths);
CgroupPlace defaultCgroupPlace(const Paths& paths);

/**
 * The cgroup of the unit that a process with this /proc/self/cgroup was started by. systemd runs the commands of a
 * delegated unit in a group ".control" below it (systemd.exec, "Delegate="), which is left out. ENOENT: no unit.
 */
Result<std::string> unitCgroup(std::string_view membership);

/**
 * Makes `unit`/sandboxes, the parent, in every hierarchy below `mountPoint`, controllers handed down, and
 * `unit`/sandboxes/monitors, which get their reserve of memory (v2). Then writes RUN/cgroup-parent. Not `unit` itself:
 * systemd 252 takes the controllers of a unit's own group back when it stops, and with them the limits of the groups
 * right below; one level down the kernel refuses that (EBUSY, cgroup-v2.rst, "Top-down Constraint"). On v1 a manager
 * knows the unit in its own hierarchy alone: the others get it here. Controllers that can't be had are `warnings`.
 */
Status delegateCgroup(const Paths& paths, const std::string& unit, std::vector<std::string>& warnings,
                      const std::string& mountPoint = cgroupMountPoint);

}  // namespace lightv
