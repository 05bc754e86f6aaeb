#include "pool/held_mount.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/syscalls.hpp"

namespace lightv {
namespace {

bool canClone(int mount) {
  if (sys::isMissing(sys::Call::cloneDetached)) return false;
  return Fd(sys::openTree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)).valid();
}

/** What the host mounts and unmounts is seen here too, so that nothing is kept busy; not the other way round. */
Status leaveHostMounts() {
  // One is enough for all images, and a second would be without the first one's mounts when that is gone.
  static bool left = false;
  if (left) return {};
  if (::unshare(CLONE_NEWNS) < 0) return Error{"unshare", errno, "a mount namespace"};
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0) return Error{"mount", errno, "/"};
  left = true;
  return {};
}

}  // namespace

Result<HeldMount> HeldMount::hold(Fd detached, const std::string& point) {
  if (canClone(detached.get())) return HeldMount(std::move(detached), "");
  if (Status left = leaveHostMounts(); !left) return left.error();
  if (::mkdir(point.c_str(), 0700) < 0 && errno != EEXIST) return Error{"mkdir", errno, point};
  HeldMount held(std::move(detached), point);
  if (sys::moveMount(held.get(), "", AT_FDCWD, point.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return Error{"move_mount", errno, point};
  return held;
}

HeldMount& HeldMount::operator=(HeldMount&& other) noexcept {
  if (this == &other) return *this;
  reset();
  mount_ = std::move(other.mount_);
  point_ = std::exchange(other.point_, {});
  return *this;
}

void HeldMount::reset() {
  mount_.reset();
  if (point_.empty()) return;
  (void)::umount2(point_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  (void)::rmdir(point_.c_str());
  point_.clear();
}

}  // namespace lightv
