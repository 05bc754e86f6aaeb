// The processes of a PID namespace, as this process sees them.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sys/result.hpp"

namespace lightv {

/**
 * All that are in the namespace of `pid`, in rising order; those whose namespace the caller may not ask for are left
 * out. Reads all of /proc: for where no cgroup knows them.
 */
Result<std::vector<pid_t>> processesBeside(pid_t pid);

}  // namespace lightv
