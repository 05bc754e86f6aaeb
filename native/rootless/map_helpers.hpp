// newuidmap(1) and newgidmap(1): the setuid programs that may write a user's map, and check it by subuid(5) and
// subgid(5).
#pragma once

#include <sys/types.h>

#include <string>

#include "rootless/user.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Where a helper lies by PATH, or, without one, in the places where distributions have it; empty: nowhere. */
std::string findHelper(const char* name);

struct MapHelpers {
  std::string users, groups;
};
/** An error that says how to get the one that is missing. */
Result<MapHelpers> findMapHelpers();

/** Has them map the ids of the user namespace that `target` is in. What they complain of goes to the descriptor. */
bool runMapHelpers(const MapHelpers& helpers, const UserMaps& maps, pid_t target, int says);

}  // namespace lightv
