// Where an ordinary user's images and sandboxes lie (XDG Base Directory Specification).
#pragma once

#include <string>

#include "rootless/user.hpp"
#include "sys/result.hpp"

namespace lightv {

/** The variables that say where; empty: not set. */
struct UserEnvironment {
  std::string dataHome, home, runtimeDirectory;
};

/** $XDG_DATA_HOME/lightv, else ~/.local/share/lightv. ENOENT: he has no home. */
Result<std::string> userRoot(const UserEnvironment& environment, const User& user);

/**
 * $XDG_RUNTIME_DIR/lightv, else /run/user/<uid>/lightv. The directory must be there, his and closed to others, as
 * pam_systemd(8) makes it; a place in /tmp would be anybody's.
 */
Result<std::string> userRunRoot(const UserEnvironment& environment, const User& user);

/** A directory that is there is `uid`'s and closed to others; one that is missing is fine, we make it so. */
Status checkOwnDirectory(const std::string& path, uid_t uid);

}  // namespace lightv
