// One process as `top` shows it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace lightv::cli {

/** The columns UID PID PPID C STIME TTY TIME CMD of `ps -ef`, times in UTC; absent when the process has gone. */
std::optional<std::vector<std::string>> processRow(pid_t pid);

}  // namespace lightv::cli
