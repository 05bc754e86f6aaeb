#include "rootless/roots.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace lightv {
namespace {

constexpr const char* kName = "/lightv";

bool isAbsolute(const std::string& path) {
  return path.starts_with('/');
}

}  // namespace

// "If an implementation encounters a relative path in any of these variables it should consider the path invalid and
// ignore it."
Result<std::string> userRoot(const UserEnvironment& environment, const User& user) {
  if (isAbsolute(environment.dataHome)) return environment.dataHome + kName;
  const std::string& home = isAbsolute(environment.home) ? environment.home : user.home;
  if (isAbsolute(home)) return home + "/.local/share" + kName;
  return Error{"choose a root", ENOENT, "no home directory", "set HOME or XDG_DATA_HOME, or give --root", true};
}

Result<std::string> userRunRoot(const UserEnvironment& environment, const User& user) {
  const bool given = isAbsolute(environment.runtimeDirectory);
  const std::string directory = given ? environment.runtimeDirectory : "/run/user/" + std::to_string(user.uid);
  struct stat info {};
  if (::stat(directory.c_str(), &info) < 0) {
    return Error{"choose a run root", errno,
                 given ? "XDG_RUNTIME_DIR " + directory : "XDG_RUNTIME_DIR is not set, " + directory,
                 "log in by a session of systemd's, or as root: loginctl enable-linger; or give --runroot"};
  }
  if (Status own = checkOwnDirectory(directory, user.uid); !own) return own.error();
  return directory + kName;
}

Status checkOwnDirectory(const std::string& path, uid_t uid) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0) return errno == ENOENT ? Status() : Status(Error{"stat", errno, path});
  constexpr mode_t others = 077;
  if (!S_ISDIR(info.st_mode)) return Error{"open", ENOTDIR, path};
  if (info.st_uid != uid) {
    return Error{"open", EPERM, path + " belongs to user " + std::to_string(info.st_uid),
                 "choose a directory of your own", true};
  }
  if ((info.st_mode & others) == 0) return {};
  return Error{"open", EPERM, path + " is open to others", "chmod 700 " + path, true};
}

}  // namespace lightv
