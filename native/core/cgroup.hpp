// One sandbox's cgroups behind one interface: v2, v1, and hybrid, each controller where this machine has it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cgroup_place.hpp"
#include "core/cgroup_tree.hpp"
#include "core/spec.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** What is used and refused so far. Absent: this machine has no such controller. */
struct CgroupStats {
  std::optional<std::uint64_t> memoryBytes;  // without inactive file cache, as `docker stats` counts
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

/** What Cgroup::openOomEvents() has opened says now. */
std::uint64_t readOomKills(int events);

class Cgroup {
 public:
  /** Makes `<parent>/<id>` in every hierarchy and sets the limits. A limit that can't be set is a warning. */
  static Result<Cgroup> create(const CgroupPlace& place, const std::string& id, const Limits& limits,
                               std::vector<std::string>& warnings, const std::string& mountPoint = cgroupMountPoint);
  /** Finds what create() made, also in part; never fails for what is missing. */
  static Cgroup open(const CgroupPlace& place, const std::string& id, const std::string& mountPoint = cgroupMountPoint);

  /** Moves a process in. */
  [[nodiscard]] Status attach(pid_t pid) const;
  /** Sets those that are given beside those that are set; as in create(), one that can't be is a warning. */
  void limit(const Limits& limits, std::vector<std::string>& warnings) const;
  /** Replaces the limits of a running sandbox; fails whole-heartedly, naming the file and value, where create() would
   * warn. */
  [[nodiscard]] Status update(const Limits& limits) const;
  [[nodiscard]] Result<CgroupStats> stats() const;
  /** CgroupStats::oomKills alone, for who has no time for the rest. */
  [[nodiscard]] std::uint64_t oomKills() const;
  /** The file that oomKills() reads, for who will have even less; invalid where there is none. */
  [[nodiscard]] Fd openOomEvents() const;
  [[nodiscard]] Result<std::vector<pid_t>> processes() const;
  [[nodiscard]] Status freeze(bool frozen) const;
  /** SIGKILL to every process: cgroup.kill where there is one, else freeze, kill, thaw until empty. */
  [[nodiscard]] Status kill() const;
  /** Removes the directories; waits up to `timeoutMs` for the kernel to let go of the last process. Missing is fine. */
  [[nodiscard]] Status remove(unsigned timeoutMs = 2000) const;
  /** A directory descriptor for CLONE_INTO_CGROUP, invalid where there is no v2 hierarchy. */
  [[nodiscard]] Fd v2Directory() const;
  /**
   * Every hierarchy's cgroup.procs, open for writing, v2's first: whoever writes "0" to each moves himself in. The
   * kernel checks the opener's rights, so a child that has dropped its own can still do it.
   */
  [[nodiscard]] Result<std::vector<Fd>> openProcs() const;
  /**
   * Only the standard device nodes and `allowed` (host paths) may be opened, others not even with CAP_MKNOD.
   * v1's devices controller, or a BPF program on v2. Where neither is to be had it is a warning.
   */
  void restrictDevices(const std::vector<std::string>& allowed, std::vector<std::string>& warnings) const;
  /** Is cgroup v2 all that there is? */
  [[nodiscard]] bool isUnified() const { return hierarchies_.size() == 1 && hierarchies_[0].v2; }
  /** Absolute, one a hierarchy. */
  [[nodiscard]] const std::vector<std::string>& directories() const { return directories_; }

 private:
  Status apply(const Limits& limits, bool reset, std::vector<std::string>* warnings) const;
  /** The directory where `controller` is, empty when this machine has none. */
  [[nodiscard]] std::string directoryOf(const std::string& controller, bool v2) const;
  [[nodiscard]] std::string v2Path() const;
  [[nodiscard]] std::string oomEventsFile() const;
  void readStatsV1(CgroupStats& stats) const;
  void readStatsV2(CgroupStats& stats) const;

  bool delegated_ = false;
  std::vector<CgroupHierarchy> hierarchies_;
  std::vector<std::string> directories_;
};

}  // namespace lightv
