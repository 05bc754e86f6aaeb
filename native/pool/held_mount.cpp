#include "pool/held_mount.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

bool canClone(int mount) {
  if (sys::isMissing(sys::Call::cloneDetached)) return false;
  return Fd(sys::openTree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)).valid();
}

/** Does "/" tell others what is mounted below it (proc_pid_mountinfo(5): "shared:" among the optional fields)? */
bool isRootShared() {
  const Result<std::string> text = readFile("/proc/self/mountinfo");
  for (const std::string& line : text ? split(*text, '\n') : std::vector<std::string>()) {
    const std::vector<std::string> fields = split(line, ' ');
    if (fields.size() > 6 && fields[4] == "/" && line.find(" shared:") != std::string::npos) return true;
  }
  return false;
}

/** What the host mounts and unmounts is seen here too, so that nothing is kept busy; not the other way round. */
Status leaveHostMounts() {
  if (::unshare(CLONE_NEWNS) < 0) return Error{"unshare", errno, "a mount namespace"};
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0) return Error{"mount", errno, "/"};
  return {};
}

}  // namespace

Result<HeldMount> HeldMount::hold(Fd detached, const std::string& point, bool& apart) {
  if (canClone(detached.get())) return HeldMount(std::move(detached), "");
  if (!apart && isRootShared()) {
    if (Status left = leaveHostMounts(); !left) return left.error();
    apart = true;
  }
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
  if (!point_.empty()) sweep(point_);
  point_.clear();
}

void HeldMount::sweep(const std::string& point) {
  (void)::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  (void)::rmdir(point.c_str());
}

}  // namespace lightv
