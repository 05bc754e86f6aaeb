// The size of a tmpfs in a running sandbox, changed from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

struct TmpfsSize {
  std::string target;  // as in the spec, or "/dev/shm"
  std::uint64_t bytes = 0;

  bool operator==(const TmpfsSize&) const = default;
};

/** What `spec` is with these sizes. EINVAL: it has no such tmpfs. */
Status setTmpfsSizes(Spec& spec, const std::vector<TmpfsSize>& sizes);

/**
 * For the sandbox that `initPid` is PID 1 of; `mounts` are its own. EBUSY: it holds more than that now. EINVAL: what
 * lies there is not the sandbox's tmpfs: the workload has moved something else there. fspick(2), Linux 5.2.
 */
Status resizeTmpfs(pid_t initPid, const TmpfsSize& size, const std::vector<Mount>& mounts);

}  // namespace lightv
