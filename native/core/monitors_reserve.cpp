#include "core/monitors_reserve.hpp"

#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {

void protectMonitors(const CgroupHierarchy& hierarchy, const std::string& parent, std::vector<std::string>& warnings) {
  if (!hierarchy.v2 || !parent.ends_with(kDelegatedGroup)) return;
  const std::string value = std::to_string(kMonitorsReserveBytes);
  const Result<std::string> now = readFile(hierarchy.mount + parent + "/monitors/memory.min");
  if (!now || trim(*now) == value) return;
  for (const std::string& group : {parentPath(parent), parent, parent + "/monitors"}) {
    const Status written = writeControlFile(hierarchy.mount + group + "/memory.min", value);
    if (!written && written.error().err != ENOENT) warnings.push_back(written.error().message());
  }
}

}  // namespace lightv
