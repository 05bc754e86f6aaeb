#include "core/mount_calls.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "sys/fd.hpp"
#include "sys/syscalls.hpp"

namespace lightv::mounts {
namespace {

unsigned long mountFlags(std::uint64_t attributes) {
  unsigned long flags = 0;
  if ((attributes & MOUNT_ATTR_RDONLY) != 0) flags |= MS_RDONLY;
  if ((attributes & MOUNT_ATTR_NOSUID) != 0) flags |= MS_NOSUID;
  if ((attributes & MOUNT_ATTR_NODEV) != 0) flags |= MS_NODEV;
  if ((attributes & MOUNT_ATTR_NOEXEC) != 0) flags |= MS_NOEXEC;
  return flags;
}

/**
 * A mount can't become read-only while somebody writes to it (EBUSY), and an access time that is noted is a write: who
 * only walks through a link in it, as the monitor that reads the program, is in the way for a moment.
 */
template <class Attempt>
int outlastWriters(Attempt attempt) {
  constexpr timespec kPause{0, 100'000};
  constexpr int kPauses = 2000;
  for (int pauses = 0;; pauses++) {
    const int result = attempt();
    if (result == 0 || errno != EBUSY || pauses == kPauses) return result;
    (void)::nanosleep(&kPause, nullptr);
  }
}

}  // namespace

int cloneTree(int dir, const char* path, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  if (path[0] == '\0') flags |= AT_EMPTY_PATH;
  if (recursive) flags |= AT_RECURSIVE;
  return sys::openTree(dir, path, flags);
}

int attach(int mount, int target) {
  return sys::moveMount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int setAttributes(int mount, std::uint64_t attributes, bool recursive) {
  mount_attr change{};
  change.attr_set = attributes;
  change.propagation = MS_PRIVATE;
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  return outlastWriters([&] { return sys::mountSetattr(mount, "", flags, change); });
}

int remount(int mount, std::uint64_t attributes) {
  char path[32];
  (void)std::snprintf(path, sizeof path, "/proc/self/fd/%d", mount);
  if (::mount(nullptr, path, nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return -1;
  const unsigned long flags = MS_REMOUNT | MS_BIND | mountFlags(attributes);
  return outlastWriters([&] { return ::mount(nullptr, path, nullptr, flags, nullptr); });
}

int mapIds(int mount, int userNamespace, bool recursive) {
  mount_attr change{};
  change.attr_set = MOUNT_ATTR_IDMAP;
  change.propagation = MS_PRIVATE;
  change.userns_fd = static_cast<std::uint64_t>(userNamespace);
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  return outlastWriters([&] { return sys::mountSetattr(mount, "", flags, change); });
}

int makeFileSystem(const char* type, const Options& options, std::uint64_t attributes) {
  const Fd context(sys::fsOpen(type));
  if (!context) return -1;
  // What mountinfo shows as the source; nothing reads it.
  (void)sys::fsConfig(context.get(), FSCONFIG_SET_STRING, "source", type, 0);
  for (const auto& [key, value] : options) {
    const bool flag = value.empty();
    const int done = sys::fsConfig(context.get(), flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key.c_str(),
                                   flag ? nullptr : value.c_str(), 0);
    if (done < 0) return -1;
  }
  if (sys::fsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return -1;
  return sys::fsMount(context.get(), static_cast<unsigned>(attributes));
}

}  // namespace lightv::mounts
