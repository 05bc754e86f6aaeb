#include "core/sysctl.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t maxValueBytes = 4096;

/** ipc_namespaces(7). */
constexpr std::array<std::string_view, 8> ipcSettings{"kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
                                                      "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
                                                      "kernel/shmmni", "kernel/shm_rmid_forced"};

Error refused(const std::string& key, const std::string& reason, const std::string& hint) {
  return Error{"sysctl", EPERM, key + ": " + reason, hint};
}

Status checkSysctl(const Spec& spec, const std::string& key, const std::string& value) {
  const Result<std::string> found = sysctlPath(key);
  if (!found) return found.error();
  const std::string& path = *found;
  if (value.empty() || value.size() > maxValueBytes || value.find('\0') != std::string::npos) {
    return Error{"sysctl", EINVAL, key, "a value has 1 to 4096 bytes"};
  }
  if (path == "kernel/hostname") return refused(key, "the host name has an option of its own", "give --hostname");
  const bool ipc = std::find(ipcSettings.begin(), ipcSettings.end(), path) != ipcSettings.end();
  if (ipc || path.starts_with("fs/mqueue/") || path == kDomainName) return {};
  if (!path.starts_with("net/")) {
    return refused(key, "it is a setting of the whole machine",
                   "a sandbox may set net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm* and kernel.domainname");
  }
  if (spec.network == Network::none) return {};
  return refused(key, "the sandbox has the host's network", "leave out --network host, or set it on the host");
}

}  // namespace

Result<std::string> sysctlPath(std::string_view key) {
  const Error bad{"sysctl", EINVAL, "\"" + std::string(key) + "\"", "a key is such as net.ipv4.ip_forward"};
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-@:./";
  if (key.empty() || key.size() > 200 || key.find_first_not_of(letters) != std::string_view::npos) return bad;
  std::string path(key);
  const std::size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return bad;
  }
  return path;
}

Status checkSysctls(const Spec& spec) {
  for (const auto& [key, value] : spec.sysctls) {
    if (Status checked = checkSysctl(spec, key, value); !checked) return checked;
  }
  return {};
}

}  // namespace lightv
