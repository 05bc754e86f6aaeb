// Whole files and trees: bounded reads, atomic writes, removal that stays inside.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Reads a whole file of at most `maxBytes`; EFBIG when it is longer. Works for /proc and /sys too, whose sizes are 0.
 */
Result<std::string> readFile(const std::string& path, std::size_t maxBytes = 1U << 20);
/** The same from a descriptor's current position; `name` is for the error. */
Result<std::string> readDescriptor(int fd, const std::string& name, std::size_t maxBytes = 1U << 20);

/** Writes all of it, also over short writes and EINTR. */
Status writeAll(int fd, std::string_view data, const std::string& name);
/** Opens an existing file (a kernel interface) and writes `data` in one write(2). */
Status writeControlFile(const std::string& path, std::string_view data);

enum class Durable { no, yes };
/**
 * Replaces `path` whole: a temporary file beside it, rename over it. With Durable::yes the data and the directory
 * are on the disk when it returns. On failure the old file stands and the temporary one is gone.
 */
Status writeFileAtomic(const std::string& path, std::string_view data, mode_t mode = 0600,
                       Durable durable = Durable::no);

/** `mkdir -p`; only directories that are missing get `mode`. A file in the way is ENOTDIR. */
Status makeDirs(const std::string& path, mode_t mode = 0700);

/**
 * Removes a file or a tree. Never follows a symbolic link and never enters another mount: a mount point below is
 * EBUSY and stays. Missing is fine.
 */
Status removeTree(const std::string& path);

/** Names in a directory, sorted, without "." and "..". */
Result<std::vector<std::string>> listDir(const std::string& path);

/** True for anything that lstat(2) sees. */
bool exists(const std::string& path);

/** Whether a file or directory lies on an overlay file system (statfs(2)). */
Result<bool> liesOnOverlay(const std::string& path);

/** fsync of a directory, so that a rename in it survives a power cut. */
Status syncDir(const std::string& path);

/** open(2) with O_CLOEXEC as a Result. */
Result<Fd> openFile(const std::string& path, int flags, mode_t mode = 0);

/** Everything before the last slash: "/a/b" -> "/a", "/a" -> "/", "a" -> ".". */
std::string parentPath(const std::string& path);

}  // namespace lightv
