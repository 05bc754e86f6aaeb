// `lightv system apparmor`: gives the kernel the default profile, as AppArmor's own service does at boot where it is
// installed.
#pragma once

#include <string>

namespace lightv::cli {

/** Where the package puts configs/sandbox/apparmor-lightv-default. */
inline constexpr const char* kAppArmorFile = "/etc/apparmor.d/lightv-default";

/**
 * Has apparmor_parser(8) load `file`, in place of the profile that is loaded. Empty when it is in force, and where this
 * kernel has no AppArmor; else what an administrator is to know. Sandboxes start all the same, without the profile.
 */
std::string loadAppArmor(const std::string& file);

}  // namespace lightv::cli
