// One sandbox's cgroups behind one interface: v2, v1, and hybrid, each controller where this machine has it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

/** What is used and refused so far. Absent: this machine has no such controller. */
struct CgroupStats {
  std::optional<std::uint64_t> memoryBytes;      // without inactive file cache, as `docker stats` counts
  std::optional<std::uint64_t> memoryPeakBytes;
  std::optional<std::uint64_t> memoryLimitBytes;  // absent too when not limited
  std::optional<std::uint64_t> cpuUsageUs;
  std::optional<std::uint64_t> throttledUs;
  std::optional<std::uint64_t> pids;
  std::optional<std::uint64_t> pidsLimit;
  std::optional<std::uint64_t> ioReadBytes, ioWriteBytes;
  std::uint64_t oomKills = 0;
  std::uint64_t pidsRefused = 0;
};

class Cgroup {
 public:
  /** Makes `<parent>/<id>` in every hierarchy and sets the limits. A limit that can't be set is a warning. */
  static Result<Cgroup> create(const std::string& parent, const std::string& id, const Limits& limits,
                               std::vector<std::string>& warnings);
  /** Finds what create() made, also in part; never fails for what is missing. */
  static Cgroup open(const std::string& parent, const std::string& id);

  /** Moves a process in. */
  [[nodiscard]] Status attach(pid_t pid) const;
  /** Replaces the limits of a running sandbox; fails whole-heartedly, naming the file and value, where create() would warn. */
  [[nodiscard]] Status update(const Limits& limits) const;
  [[nodiscard]] Result<CgroupStats> stats() const;
  [[nodiscard]] Result<std::vector<pid_t>> processes() const;
  [[nodiscard]] Status freeze(bool frozen) const;
  /** SIGKILL to every process: cgroup.kill where there is one, else freeze, kill, thaw until empty. */
  [[nodiscard]] Status kill() const;
  /** Removes the directories; waits up to `timeoutMs` for the kernel to let go of the last process. Missing is fine. */
  [[nodiscard]] Status remove(unsigned timeoutMs = 2000) const;
  /** A directory descriptor for CLONE_INTO_CGROUP on v2 with controllers there, else -1. */
  [[nodiscard]] int v2Directory() const;
  [[nodiscard]] const std::vector<std::string>& directories() const { return directories_; }

 private:
  std::vector<std::string> directories_;  // absolute, one a hierarchy
};

}  // namespace lightv
