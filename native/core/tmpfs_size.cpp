#include "core/tmpfs_size.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "core/root_fs.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

constexpr const char* kShm = "/dev/shm";

/** A bind of one of the host's own is none of the sandbox's, wherever the workload has moved it (rename of a parent).
 */
bool isBound(dev_t device, const std::vector<Mount>& mounts) {
  return std::any_of(mounts.begin(), mounts.end(), [device](const Mount& mount) {
    struct stat source {};
    return mount.kind != MountKind::tmpfs && ::stat(mount.source.c_str(), &source) == 0 && source.st_dev == device;
  });
}

bool isOwnTmpfs(int fd, const std::vector<Mount>& mounts) {
  struct statfs fs {};
  struct stat status {};
  return ::fstatfs(fd, &fs) == 0 && static_cast<unsigned long>(fs.f_type) == TMPFS_MAGIC && ::fstat(fd, &status) == 0 &&
         !isBound(status.st_dev, mounts);
}

}  // namespace

Status setTmpfsSizes(Spec& spec, const std::vector<TmpfsSize>& sizes) {
  for (const TmpfsSize& size : sizes) {
    if (size.target == kShm) {
      spec.shmSizeBytes = size.bytes;
      continue;
    }
    const auto found = std::find_if(spec.mounts.begin(), spec.mounts.end(), [&size](const Mount& mount) {
      return mount.kind == MountKind::tmpfs && mount.target == size.target;
    });
    if (found == spec.mounts.end())
      return Error{"update", EINVAL, spec.name + " has no tmpfs at " + size.target, "lightv inspect shows its mounts",
                   true};
    found->sizeBytes = size.bytes;
  }
  return {};
}

Status resizeTmpfs(pid_t initPid, const TmpfsSize& size, const std::vector<Mount>& mounts) {
  const Result<Fd> root = openFile("/proc/" + std::to_string(initPid) + "/root", O_PATH | O_DIRECTORY);
  if (!root) return root.error();
  const Fd target(RootFs(root->get()).open(size.target.c_str(), O_PATH | O_DIRECTORY));
  if (!target) return Error{"update", errno, "the tmpfs at " + size.target};
  if (!isOwnTmpfs(target.get(), mounts)) {
    return Error{"update", EINVAL, "what lies at " + size.target + " is not the sandbox's tmpfs any more",
                 "start it again with the new size", true};
  }
  const Fd context(sys::fsPick(target.get()));
  if (!context) return Error{"fspick", errno, size.target};
  const std::string bytes = std::to_string(size.bytes);
  if (sys::fsConfig(context.get(), FSCONFIG_SET_STRING, "size", bytes.c_str(), 0) == 0 &&
      sys::fsConfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) == 0)
    return {};
  if (errno != EINVAL) return Error{"fsconfig", errno, size.target};
  // shmem_reconfigure(): "Too small a size for current use".
  return Error{"update", EBUSY, "the tmpfs at " + size.target + " holds more than " + bytes + " bytes",
               "remove files in it first", true};
}

}  // namespace lightv
