// --security-opt KEY=VALUE and --sysctl KEY=VALUE.
#include "cli/create_options.hpp"
#include "core/apparmor.hpp"
#include "core/seccomp_profile.hpp"
#include "core/sysctl.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

namespace {

using View = std::string_view;

/** A file is read here, and what it says goes with the sandbox: a later change of it changes nothing. */
Status setSeccomp(Spec& spec, const std::string& value) {
  spec.seccomp = value != "unconfined";
  spec.seccompProfile.clear();
  if (!spec.seccomp || value == "builtin") return {};
  Result<std::string> text = readFile(value, kMaxProfileBytes);
  if (!text) return text.error().wrap("read the profile of --security-opt seccomp=FILE");
  const Result<SeccompProfile> profile = parseSeccompProfile(*text, profileFacts(0).arch);
  if (!profile) return profile.error().wrap(value);
  spec.seccompProfile = std::move(*text);
  return {};
}

}  // namespace

Status addSysctl(Spec& spec, View value) {
  const std::size_t equals = value.find('=');
  const View key = value.substr(0, equals);
  const Result<std::string> path = sysctlPath(key);
  if (!path || equals == View::npos) return invalidValue("sysctl", value, "KEY=VALUE, such as net.ipv4.ip_forward=1");
  spec.sysctls[std::string(key)] = value.substr(equals + 1);
  return {};
}

Status addSecurityOption(Spec& spec, View value) {
  const std::size_t end = value.find_first_of("=:");  // Docker still takes the old form with a colon
  const View key = value.substr(0, end);
  const View setting = end == View::npos ? View() : value.substr(end + 1);
  if (key == "seccomp" && !setting.empty()) return setSeccomp(spec, std::string(setting));
  if (key == "no-new-privileges" && (end == View::npos || setting == "true" || setting == "false")) {
    spec.noNewPrivileges = setting != "false";
  } else if (key == "landlock" && (setting == "on" || setting == "off")) {
    spec.landlock = setting == "on";
  } else if (key == "apparmor" && checkAppArmorProfile(setting)) {
    spec.appArmor = setting;
  } else if (key == "systempaths" && setting == "unconfined") {
    spec.maskPaths = false;
  } else {
    return invalidValue(
        "security-opt", value,
        "seccomp=FILE|unconfined, apparmor=PROFILE|unconfined, no-new-privileges=true|false, landlock=on|off or "
        "systempaths=unconfined");
  }
  return {};
}

}  // namespace lightv::cli
