// Locks between processes on a directory: it is there anyway, and leaves no file behind.
#pragma once

#include <string>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class LockKind { exclusive, shared };

/** Opens `directory` and waits for its lock (flock(2)), which goes when the Fd closes. ENOENT: there is none. */
Result<Fd> lockDirectory(const std::string& directory, LockKind kind = LockKind::exclusive);

}  // namespace lightv
