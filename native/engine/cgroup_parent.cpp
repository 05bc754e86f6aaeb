#include "engine/cgroup_parent.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include "core/monitors_reserve.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

bool isCleanPath(const std::string& path) {
  if (path.size() < 2 || path.size() >= PATH_MAX || path[0] != '/') return false;
  const auto isOdd = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; };
  if (std::any_of(path.begin(), path.end(), isOdd)) return false;
  for (const std::string& name : split(path.substr(1), '/')) {
    if (name.empty() || name == "." || name == "..") return false;
  }
  return true;
}

/** The path on the line whose middle is `controllers` ("" for v2); empty when there is no such line. */
std::string pathIn(std::string_view membership, std::string_view controllers) {
  for (const std::string& line : split(std::string(membership), '\n')) {
    const std::vector<std::string> parts = split(line, ':', 3);
    if (parts.size() == 3 && parts[1] == controllers) return parts[2];
  }
  return {};
}

}  // namespace

std::string cgroupParentFile(const Paths& paths) {
  return paths.run + "/cgroup-parent";
}

std::string defaultCgroupParent(const Paths& paths) {
  if (const Result<std::string> text = readFile(cgroupParentFile(paths), PATH_MAX + 1)) {
    std::string path(trim(*text));
    if (isCleanPath(path)) return path;
  }
  if (!paths.rootless) return kPlainCgroupParent;
  const Result<std::string> membership = readFile("/proc/self/cgroup");
  std::string delegated = membership ? delegatedParent(*membership) : std::string();
  return delegated.empty() ? kPlainCgroupParent : delegated;
}

CgroupPlace defaultCgroupPlace(const Paths& paths) {
  return {defaultCgroupParent(paths), paths.rootless};
}

Result<std::string> unitCgroup(std::string_view membership) {
  // On a v1 machine the v2 hierarchy may be mounted beside it and hold everybody at its root.
  std::string path = pathIn(membership, "");
  if (path.empty() || path == "/") path = pathIn(membership, "name=systemd");
  constexpr std::string_view kControl = "/.control";
  if (path.ends_with(kControl)) path.resize(path.size() - kControl.size());
  if (isCleanPath(path)) return path;
  return Error{"find the unit's cgroup", ENOENT, "this process was not started by a service manager's unit",
               "it is for lightv-runtime.service; without it sandboxes live below " + std::string(kPlainCgroupParent)};
}

Status delegateCgroup(const Paths& paths, const std::string& unit, std::vector<std::string>& warnings,
                      const std::string& mountPoint) {
  const std::string parent = unit + kDelegatedGroup;
  for (const CgroupHierarchy& hierarchy : findCgroupHierarchies(mountPoint)) {
    if (Status made = makeCgroup(hierarchy, parent + "/monitors", warnings); !made) return made;
    protectMonitors(hierarchy, parent, warnings);
  }
  if (Status made = makeDirs(paths.run); !made) return made;
  return writeFileAtomic(cgroupParentFile(paths), parent + "\n", 0600);
}

}  // namespace lightv
