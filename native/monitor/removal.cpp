#include "monitor/removal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "monitor/bounded_layer.hpp"
#include "monitor/config_file.hpp"
#include "monitor/id_ranges.hpp"
#include "rootless/enter.hpp"
#include "sys/directory_lock.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

constexpr const char* kVolumesMark = "/remove-volumes";

}  // namespace

Result<Fd> lockNames(const Paths& paths) {
  const std::string directory = paths.root + "/names";
  if (Status made = makeDirs(directory); !made) return made.error();
  return lockDirectory(directory);
}

Result<bool> freeNameLocked(const Paths& paths, const std::string& name, const std::string& id) {
  const std::string link = paths.root + "/names/" + name;
  char target[PATH_MAX];
  const ssize_t length = name.empty() ? 0 : readlink(link.c_str(), target, sizeof target);
  if (length < 0 && errno != ENOENT) return Error{"readlink", errno, link};
  if (length <= 0 || std::string_view(target, static_cast<std::size_t>(length)) != id) return false;
  if (unlink(link.c_str()) != 0 && errno != ENOENT) return Error{"unlink", errno, link};
  return true;
}

Result<bool> freeName(const Paths& paths, const std::string& name, const std::string& id) {
  // Somebody may remove all of the root behind the last command's end: it must not come back.
  if (!exists(paths.root + "/names")) return false;
  const Result<Fd> lock = lockNames(paths);
  if (!lock) return lock.error();
  return freeNameLocked(paths, name, id);
}

Status hideDirectory(const SandboxFiles& files) {
  if (rename(files.directory().c_str(), files.goneDirectory().c_str()) == 0 || errno == ENOENT) return {};
  return Error{"rename", errno, files.directory()};
}

Status hideSandbox(const SandboxFiles& files, const std::string& name) {
  if (Status hidden = hideDirectory(files); !hidden) return hidden;
  const Result<bool> freed = freeName(files.paths(), name, files.id());
  if (!freed) return freed.error();
  if (*freed) return {};
  // Renamed since the caller read its name.
  const Result<Spec> spec = readSpec(files.goneDirectory() + "/config.json");
  if (!spec || spec->name == name) return {};
  const Result<bool> now = freeName(files.paths(), spec->name, files.id());
  return now ? Status() : Status(now.error());
}

Status markVolumesForRemoval(const SandboxFiles& files) {
  return writeFileAtomic(files.directory() + kVolumesMark, "");
}

bool hasVolumesMark(const std::string& directory) {
  return exists(directory + kVolumesMark);
}

Status deleteHidden(const SandboxFiles& files, std::uint32_t idBase) {
  releaseIds(files, idBase);
  unmountLayer(files.goneDirectory());
  if (Status removed = removeTreeOfIds(files.goneDirectory()); !removed) return removed;
  return removeTree(files.runDirectory());
}

std::vector<std::string> anonymousVolumes(const Spec& spec) {
  std::vector<std::string> names;
  for (const Mount& mount : spec.mounts) {
    if (mount.anonymous) names.push_back(mount.volume);
  }
  return names;
}

Status deleteVolumes(const Paths& paths, const std::vector<std::string>& names) {
  Status first;
  for (const std::string& name : names) {
    Status removed = removeTreeOfIds(paths.root + "/volumes/" + name);
    if (!removed && first.ok()) first = removed;
  }
  return first;
}

}  // namespace lightv
