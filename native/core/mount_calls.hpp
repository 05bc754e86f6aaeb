// Mount calls as the builder needs them. Detached mounts (Linux 5.2) are the least that it needs; what came later has
// its older way. Alloc-free; -1 and errno on failure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lightv::mounts {

/** A detached copy of the tree at `dir`/`path` ("": dir itself). */
int cloneTree(int dir, const char* path, bool recursive);
/** Attaches a detached mount on what the O_PATH descriptor `target` means. */
int attach(int mount, int target);
/**
 * Sets MOUNT_ATTR_* on a mount, and makes it private. Before 5.12 by a remount through /proc/self/fd, which works only
 * for what is attached: then errno is ENOSYS and the caller has to come again after attach().
 */
int setAttributes(int mount, std::uint64_t attributes, bool recursive);
/** setAttributes() for an attached mount on kernels before 5.12. */
int remount(int mount, std::uint64_t attributes);
/**
 * MOUNT_ATTR_IDMAP for a detached mount, and makes it private: a copy of a shared mount (systemd shares all) would show
 * the host what is mounted on it, and pivot_root(2) refuses it.
 */
int mapIds(int mount, int userNamespace, bool recursive);

using Options = std::vector<std::pair<std::string, std::string>>;
/** A detached new file system. Options with an empty value are flags. */
int makeFileSystem(const char* type, const Options& options, std::uint64_t attributes);

}  // namespace lightv::mounts
