// An ordinary user's way to be root: of a user namespace in which his own and his subordinate ids are, with a mount
// namespace of its own. The kernel lets only a privileged process write such a map, so newuidmap(1) and newgidmap(1)
// do.
#pragma once

#include <functional>
#include <string>

#include "sys/result.hpp"

namespace lightv {

/**
 * The calling process, which must have one thread, becomes root of a new user namespace. What it has open stays;
 * supplementary groups go, as they have no name inside. An error tells what is missing and who can give it.
 */
Status enterUserNamespace();

/** Does `work` in a child that has entered one, and gives what it gave. */
Status inUserNamespace(const std::function<Status()>& work);

/** removeTree(), where an ordinary user can't remove what his sandboxes' users own from inside of a namespace. */
Status removeTreeOfIds(const std::string& path);

}  // namespace lightv
