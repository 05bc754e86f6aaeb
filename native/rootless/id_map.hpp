// Which ids of the host an ordinary user's sandboxes have: inside 0 is the user, the others are his subordinate ids.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rootless/subordinate_ids.hpp"
#include "sys/result.hpp"

namespace lightv {

/** As a line of /proc/PID/uid_map (user_namespaces(7)). */
struct IdExtent {
  std::uint32_t inside = 0, outside = 0, count = 0;
  bool operator==(const IdExtent&) const = default;
};
using IdMap = std::vector<IdExtent>;

/**
 * 0 is `own`, 1 and on what was granted, 65,536 ids at most as every sandbox has. A range that overlaps one before it,
 * or has the host's root or `own` in it, is left out: the kernel takes no id twice.
 */
IdMap mapOfUser(std::uint32_t own, const std::vector<IdRange>& granted);

/** What /proc/PID/uid_map says. EBADMSG: it is none. */
Result<IdMap> parseIdMap(std::string_view text);

/** From a namespace's own uid_map the map of one below it in which each id is what it is here. EBADMSG: no map. */
Result<IdMap> sameIdsBelow(std::string_view uidMap);

/** The lines that the kernel takes. */
std::string toText(const IdMap& map);

}  // namespace lightv
