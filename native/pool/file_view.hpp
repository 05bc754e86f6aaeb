// Where a process's paths lead.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "sys/result.hpp"

namespace lightv {

/** A mount namespace and the root directory in it. Two processes with the same have the same files by the same paths.
 */
struct FileView {
  dev_t namespaceDevice = 0, rootDevice = 0;
  ino_t namespaceInode = 0, rootInode = 0;
  std::uint64_t rootMount = 0;  // 0: before Linux 5.8
  bool operator==(const FileView&) const = default;

  /** Of a process, or of the calling one. ENOENT: it has ended. */
  static Result<FileView> of(pid_t pid);
  static Result<FileView> own();
};

/** Is what has this absolute path for `pid` what has it for us? */
bool leadsToTheSame(const std::string& path, pid_t pid);

}  // namespace lightv
