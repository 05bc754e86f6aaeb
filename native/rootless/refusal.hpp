// Why a kernel gives an ordinary user no user namespace, and what he or root can do.
#pragma once

#include <string>

#include "sys/result.hpp"

namespace lightv {

/** The kernel's switches, as their files in /proc/sys say; empty: this kernel has no such switch. */
struct NamespaceSwitches {
  std::string unprivilegedClone;  // kernel.unprivileged_userns_clone, Debian's
  std::string mostNamespaces;     // user.max_user_namespaces
  std::string appArmorRestricts;  // kernel.apparmor_restrict_unprivileged_userns, Ubuntu's
};
NamespaceSwitches readNamespaceSwitches();

/** The sentence about what is switched off; empty: nothing is. Pure. */
std::string closedSwitch(const NamespaceSwitches& switches);

/** An error about making a user namespace, with the switch that explains it, if one does. */
Error refusal(const char* what, int err, const NamespaceSwitches& switches);

}  // namespace lightv
