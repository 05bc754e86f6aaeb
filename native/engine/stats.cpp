// What a sandbox uses: the cgroup's counters.
#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "sys/time.hpp"

namespace lightv {

Result<SandboxStats> Engine::stats(const std::string& id) const {
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (info->status != SandboxStatus::running && info->status != SandboxStatus::paused) return notRunning(id);
  const Result<CgroupStats> cgroup = Cgroup::open(info->spec.cgroupParent, id).stats();
  if (!cgroup) return cgroup.error();
  SandboxStats stats;
  stats.cgroup = *cgroup;
  stats.monotonicUs = monotonicUs();
  return stats;
}

}  // namespace lightv
