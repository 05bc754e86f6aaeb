#include "monitor/removal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "sys/file.hpp"

namespace lightv {
namespace {

bool isAnonymous(const std::string& volume) {
  return volume.size() == 64 && volume.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

Result<Fd> lockNames(const Paths& paths) {
  const std::string directory = paths.root + "/names";
  if (Status made = makeDirs(directory); !made) return made.error();
  Result<Fd> fd = openFile(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd;
  while (flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Error{"lock", errno, directory};
  }
  return fd;
}

Status freeName(const Paths& paths, const std::string& name, const std::string& id) {
  if (name.empty()) return {};
  const Result<Fd> lock = lockNames(paths);
  if (!lock) return lock.error();
  const std::string link = paths.root + "/names/" + name;
  char target[PATH_MAX];
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  if (length < 0) return errno == ENOENT ? Status() : Status(Error{"readlink", errno, link});
  if (std::string_view(target, static_cast<std::size_t>(length)) != id) return {};
  if (unlink(link.c_str()) != 0 && errno != ENOENT) return Error{"unlink", errno, link};
  return {};
}

Status hideSandbox(const SandboxFiles& files, const std::string& name) {
  // The directory first: from then on nobody finds the sandbox, and whoever wants the name sees that it leads nowhere.
  if (rename(files.directory().c_str(), files.goneDirectory().c_str()) != 0 && errno != ENOENT) {
    return Error{"rename", errno, files.directory()};
  }
  return freeName(files.paths(), name, files.id());
}

Status deleteHidden(const SandboxFiles& files) {
  if (Status removed = removeTree(files.goneDirectory()); !removed) return removed;
  return removeTree(files.runDirectory());
}

std::vector<std::string> anonymousVolumes(const Spec& spec) {
  std::vector<std::string> names;
  for (const Mount& mount : spec.mounts) {
    if (mount.kind == MountKind::volume && isAnonymous(mount.volume)) names.push_back(mount.volume);
  }
  return names;
}

Status deleteVolumes(const Paths& paths, const std::vector<std::string>& names) {
  Status first;
  for (const std::string& name : names) {
    Status removed = removeTree(paths.root + "/volumes/" + name);
    if (!removed && first.ok()) first = removed;
  }
  return first;
}

}  // namespace lightv
