// What a sandbox uses: the cgroup's counters and its network's.
#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/net_dev.hpp"
#include "sys/file.hpp"
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
  if (info->spec.network == Network::none) return stats;
  if (const auto text = readFile("/proc/" + std::to_string(info->initPid) + "/net/dev")) {
    const NetworkCounters counters = parseNetDev(*text);
    stats.networkRxBytes = counters.rxBytes;
    stats.networkTxBytes = counters.txBytes;
  }
  return stats;
}

}  // namespace lightv
