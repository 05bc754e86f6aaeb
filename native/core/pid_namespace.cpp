#include "core/pid_namespace.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

/** Namespaces are told apart by device and inode (namespaces(7)). */
bool askNamespace(const std::string& pid, struct stat& info) {
  return ::stat(("/proc/" + pid + "/ns/pid").c_str(), &info) == 0;
}

}  // namespace

Result<std::vector<pid_t>> processesBeside(pid_t pid) {
  struct stat wanted {};
  if (!askNamespace(std::to_string(pid), wanted)) return Error{"stat", errno, "pid " + std::to_string(pid)};
  const Result<std::vector<std::string>> names = listDir("/proc");
  if (!names) return names.error();
  std::vector<pid_t> found;
  for (const std::string& name : *names) {
    const auto number = parseInteger<pid_t>(name);
    struct stat info {};
    if (!number || !askNamespace(name, info)) continue;
    if (info.st_dev == wanted.st_dev && info.st_ino == wanted.st_ino) found.push_back(*number);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace lightv
