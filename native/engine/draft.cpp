#include "engine/draft.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "engine/names.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/lock.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"

namespace lightv {

Result<SandboxFiles> takeFreshId(const Paths& paths) {
  if (Status made = makeDirs(paths.run + "/sandboxes"); !made) return made.error();
  while (true) {
    Result<std::string> id = randomHex(16);
    if (!id) return id.error();
    SandboxFiles files(paths, *id);
    if (mkdir(files.runDirectory().c_str(), 0700) == 0) return files;
    if (errno != EEXIST) return Error{"mkdir", errno, files.runDirectory()};
  }
}

bool isDurable(const Spec& spec) {
  return !spec.autoRemove;
}

Result<std::vector<std::string>> freshVolumeNames(std::size_t count) {
  std::vector<std::string> names;
  while (names.size() < count) {
    Result<std::string> name = randomHex(64);
    if (!name) return name.error();
    names.push_back(std::move(*name));
  }
  return names;
}

Status makeVolumes(const Paths& paths, const Spec& spec) {
  for (const Mount& mount : spec.mounts) {
    if (mount.kind != MountKind::volume) continue;
    if (Status made = makeDirs(paths.root + "/volumes/" + mount.volume); !made) return made;
    if (mkdir(mount.source.c_str(), 0755) != 0) {
      if (errno == EEXIST) continue;
      return Error{"mkdir", errno, mount.source};
    }
    // A service's umask is for its own files: workloads of any user must get into their volume.
    if (chmod(mount.source.c_str(), 0755) != 0) return Error{"chmod", errno, mount.source};
  }
  return {};
}

Draft::~Draft() {
  if (kept_ || !lock_) return;
  (void)freeName(files_.paths(), name_, files_.id());
  releaseIds(files_, idBase_);
  (void)removeTree(files_.newDirectory());
  (void)removeTree(files_.runDirectory());
}

Result<Draft> Draft::begin(const Paths& paths) {
  Result<SandboxFiles> files = takeFreshId(paths);
  if (!files) return files.error();
  Result<Fd> lock = tryLockForEngine(*files);
  if (!lock) return lock.error();
  return Draft(std::move(*files), std::move(*lock));
}

Status Draft::write(const Spec& spec) {
  name_ = spec.name;
  if (Status made = makeDirs(files_.newDirectory()); !made) return made;
  const Durable durable = isDurable(spec) ? Durable::yes : Durable::no;
  return writeFileAtomic(files_.newDirectory() + "/config.json", toJson(spec), 0600, durable);
}

Status Draft::publish(const Spec& spec) {
  if (rename(files_.newDirectory().c_str(), files_.directory().c_str()) != 0) {
    return Error{"rename", errno, files_.newDirectory()};
  }
  kept_ = true;
  return isDurable(spec) ? syncDir(files_.paths().root + "/sandboxes") : Status();
}

}  // namespace lightv
