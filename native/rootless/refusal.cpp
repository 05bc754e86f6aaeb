#include "rootless/refusal.hpp"

#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

std::string read(const char* path) {
  const Result<std::string> text = readFile(path, 64);
  return text ? std::string(trim(*text)) : std::string();
}

}  // namespace

NamespaceSwitches readNamespaceSwitches() {
  return {read("/proc/sys/kernel/unprivileged_userns_clone"), read("/proc/sys/user/max_user_namespaces"),
          read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")};
}

std::string closedSwitch(const NamespaceSwitches& switches) {
  if (switches.unprivilegedClone == "0") return "as root: sysctl kernel.unprivileged_userns_clone=1";
  if (switches.mostNamespaces == "0") return "as root: sysctl user.max_user_namespaces=15000";
  if (!switches.appArmorRestricts.empty() && switches.appArmorRestricts != "0") {
    return "as root: load an AppArmor profile for lightv with the rule \"userns,\", or sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0";
  }
  return {};
}

Error refusal(const char* what, int err, const NamespaceSwitches& switches) {
  std::string way = closedSwitch(switches);
  if (way.empty() && (err == EINVAL || err == ENOSYS)) way = "this kernel has no user namespaces (CONFIG_USER_NS)";
  if (way.empty() && err == ENOSPC) way = "user.max_user_namespaces of them are in use";
  return Error{"user namespace", err, what, std::move(way)};
}

}  // namespace lightv
