// What a sandbox uses: the cgroup's counters.
#include <sys/vfs.h>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "sys/time.hpp"

namespace lightv {

namespace {

/** An overlay tells the numbers of the file system that its upper layer lies on (overlayfs, ovl_statfs). */
void addLayer(pid_t initPid, SandboxStats& stats) {
  struct statfs fs {};
  const std::string root = "/proc/" + std::to_string(initPid) + "/root";
  if (statfs(root.c_str(), &fs) != 0) return;
  const auto block = static_cast<std::uint64_t>(fs.f_bsize);
  stats.layerLimitBytes = fs.f_blocks * block;
  stats.layerUsedBytes = (fs.f_blocks - fs.f_bfree) * block;
  stats.layerFreeInodes = fs.f_ffree;
}

}  // namespace

Result<SandboxStats> Engine::stats(const std::string& id) const {
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (info->status != SandboxStatus::running && info->status != SandboxStatus::paused) return notRunning(id);
  const Result<CgroupStats> cgroup = Cgroup::open(placeOf(info->spec), id).stats();
  if (!cgroup) return cgroup.error();
  SandboxStats stats;
  stats.cgroup = *cgroup;
  if (const Result<StateRecord> state = readState(SandboxFiles(paths_, id).state())) {
    stats.logDroppedLines = state->logDroppedLines;
    stats.logDroppedBytes = state->logDroppedBytes;
  }
  if (info->spec.storageSizeBytes != 0 && !info->spec.readOnlyRoot) addLayer(info->initPid, stats);
  stats.monotonicUs = monotonicUs();
  return stats;
}

}  // namespace lightv
