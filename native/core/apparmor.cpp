#include "core/apparmor.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr const char* enabledFile = "/sys/module/apparmor/parameters/enabled";
constexpr const char* profilesFile = "/sys/kernel/security/apparmor/profiles";
constexpr std::size_t longestList = 4U << 20;
// The kernel takes a page, with "exec " in front.
constexpr std::size_t longestName = 1024;

}  // namespace

Status checkAppArmorProfile(std::string_view name) {
  // A blank would end the name in the kernel's list, and a mode in brackets is no part of it.
  const auto bad = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (!name.empty() && name.size() <= longestName && std::none_of(name.begin(), name.end(), bad)) return {};
  return Error{"AppArmor profile", EINVAL, "\"" + std::string(name.substr(0, 64)) + "\"",
               "give the name of a loaded profile, or unconfined"};
}

std::string_view appArmorProfile(const Spec& spec) {
  return spec.appArmor.empty() ? kDefaultAppArmorProfile : std::string_view(spec.appArmor);
}

bool hasAppArmor() {
  const Result<std::string> enabled = readFile(enabledFile, 16);
  return enabled && enabled->starts_with('Y');
}

bool listsProfile(std::string_view list, std::string_view name) {
  for (const std::string& line : split(list, '\n')) {
    const std::size_t mode = line.rfind(" (");
    if (std::string_view(line).substr(0, mode) == name) return true;
  }
  return false;
}

bool isProfileLoaded(std::string_view name) {
  const Result<std::string> list = readFile(profilesFile, longestList);
  return !list || listsProfile(*list, name);
}

Result<AppArmorChange> prepareAppArmor(const Spec& spec) {
  AppArmorChange change;
  const std::string profile(appArmorProfile(spec));
  if (profile == kAppArmorUnconfined) return change;
  change.asked = !spec.appArmor.empty();
  const bool enabled = hasAppArmor();
  if (!enabled || !isProfileLoaded(profile)) {
    if (!change.asked) return change;
    const char* hint = enabled ? "load it with apparmor_parser; aa-status lists what is loaded"
                               : "this kernel has no AppArmor, or it is switched off (lsm=, apparmor=)";
    return Error{"AppArmor profile", enabled ? ENOENT : ENOTSUP, profile, hint};
  }
  Result<Fd> proc = openFile("/proc", O_PATH | O_DIRECTORY);
  if (!proc) return proc.error();
  change.proc = std::move(*proc);
  change.text = "exec " + profile;
  return change;
}

int changeAtExec(int proc, std::string_view text) {
  Fd file(::openat(proc, "self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) file.reset(::openat(proc, "self/attr/exec", O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return errno;
  struct statfs fs {};
  if (::fstatfs(file.get(), &fs) < 0) return errno;
  if (static_cast<unsigned long>(fs.f_type) != PROC_SUPER_MAGIC) return EPERM;
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written < 0) return errno;
  return static_cast<std::size_t>(written) == text.size() ? 0 : EIO;
}

std::string appArmorOf(pid_t pid) {
  if (pid <= 0 || !hasAppArmor()) return "";
  const std::string attributes = "/proc/" + std::to_string(pid) + "/attr/";
  Result<std::string> label = readFile(attributes + "apparmor/current", 4096);
  if (!label) label = readFile(attributes + "current", 4096);
  if (!label) return "";
  const std::string text(trim(*label));
  return text.substr(0, text.rfind(" ("));
}

}  // namespace lightv
