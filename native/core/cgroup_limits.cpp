#include "core/cgroup_limits.hpp"

#include <algorithm>

namespace lightv {
namespace {

/** Collects settings; absent values become `unlimited` when limits are replaced. */
class Settings {
 public:
  explicit Settings(bool reset) : reset_(reset) {}

  void set(const char* controller, const char* file, std::string value, bool optional = false) {
    list_.push_back(CgroupSetting{controller, file, std::move(value), optional});
  }
  template <class T>
  void limit(const char* controller, const char* file, const std::optional<T>& value, const char* unlimited) {
    if (value) {
      set(controller, file, std::to_string(*value));
    } else if (reset_) {
      list_.push_back(CgroupSetting{controller, file, unlimited, true});
    }
  }
  void text(const char* controller, const char* file, const std::string& value) {
    if (!value.empty()) set(controller, file, value);
  }
  [[nodiscard]] bool reset() const { return reset_; }
  [[nodiscard]] std::vector<CgroupSetting> take() { return std::move(list_); }

 private:
  bool reset_;
  std::vector<CgroupSetting> list_;
};

std::optional<std::uint64_t> memoryAndSwap(const Limits& limits) {
  if (!limits.swapMax || !limits.memoryMax) return std::nullopt;
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(*limits.memoryMax, *limits.swapMax, &sum)) return std::nullopt;
  return std::min<std::uint64_t>(sum, INT64_MAX);
}

// A device that is no block device keeps its path, so that the failing write names it.
std::string deviceName(const std::string& path, const DeviceNumbers& numbers) {
  return numbers(path).value_or(path);
}

void addThrottle(Settings& out, const char* file, const std::string& device, std::uint64_t value) {
  if (value != 0 || out.reset()) out.set("blkio", file, device + " " + std::to_string(value));
}

std::string ioMaxPart(const char* key, std::uint64_t value) {
  return std::string(" ") + key + "=" + (value == 0 ? "max" : std::to_string(value));
}

}  // namespace

std::uint64_t cpuWeightOf(std::uint64_t shares) {
  const std::uint64_t bounded = std::clamp<std::uint64_t>(shares, 2, 262144);
  return 1 + ((bounded - 2) * 9999) / 262142;
}

std::uint64_t ioWeightOf(std::uint32_t weight) {
  const std::uint64_t bounded = std::clamp<std::uint32_t>(weight, 10, 1000);
  return 1 + ((bounded - 10) * 9999) / 990;
}

std::vector<CgroupSetting> cgroupSettingsV1(const Limits& limits, bool reset, const DeviceNumbers& numbers) {
  Settings out(reset);
  // memory <= memory+swap must hold at every moment; the writer retries what was refused in the wrong order.
  out.limit("memory", "memory.limit_in_bytes", limits.memoryMax, "-1");
  out.limit("memory", "memory.memsw.limit_in_bytes", memoryAndSwap(limits), "-1");
  out.limit("memory", "memory.soft_limit_in_bytes", limits.memoryReservation, "-1");
  if (limits.cpuQuotaUs || reset) {
    out.set("cpu", "cpu.cfs_period_us", std::to_string(limits.cpuPeriodUs), !limits.cpuQuotaUs);
  }
  out.limit("cpu", "cpu.cfs_quota_us", limits.cpuQuotaUs, "-1");
  out.limit("cpu", "cpu.shares", limits.cpuShares, "1024");
  out.text("cpuset", "cpuset.cpus", limits.cpusetCpus);
  out.text("cpuset", "cpuset.mems", limits.cpusetMems);
  out.limit("pids", "pids.max", limits.pidsMax, "max");
  out.limit("blkio", "blkio.bfq.weight", limits.ioWeight, "100");
  for (const Limits::IoMax& io : limits.io) {
    const std::string device = deviceName(io.device, numbers);
    addThrottle(out, "blkio.throttle.read_bps_device", device, io.readBps);
    addThrottle(out, "blkio.throttle.write_bps_device", device, io.writeBps);
    addThrottle(out, "blkio.throttle.read_iops_device", device, io.readIops);
    addThrottle(out, "blkio.throttle.write_iops_device", device, io.writeIops);
  }
  return out.take();
}

std::vector<CgroupSetting> cgroupSettingsV2(const Limits& limits, bool reset, const DeviceNumbers& numbers) {
  Settings out(reset);
  out.limit("memory", "memory.max", limits.memoryMax, "max");
  out.limit("memory", "memory.swap.max", limits.swapMax, "max");
  out.limit("memory", "memory.low", limits.memoryReservation, "0");
  out.limit("memory", "memory.high", limits.memoryHigh, "max");
  if (limits.cpuQuotaUs || reset) {
    const std::string quota = limits.cpuQuotaUs ? std::to_string(*limits.cpuQuotaUs) : "max";
    out.set("cpu", "cpu.max", quota + " " + std::to_string(limits.cpuPeriodUs), !limits.cpuQuotaUs);
  }
  std::optional<std::uint64_t> weight;
  if (limits.cpuShares) weight = cpuWeightOf(*limits.cpuShares);
  out.limit("cpu", "cpu.weight", weight, "100");
  out.text("cpuset", "cpuset.cpus", limits.cpusetCpus);
  out.text("cpuset", "cpuset.mems", limits.cpusetMems);
  out.limit("pids", "pids.max", limits.pidsMax, "max");
  if (limits.ioWeight) out.set("io", "io.weight", "default " + std::to_string(ioWeightOf(*limits.ioWeight)));
  for (const Limits::IoMax& io : limits.io) {
    out.set("io", "io.max",
            deviceName(io.device, numbers) + ioMaxPart("rbps", io.readBps) + ioMaxPart("wbps", io.writeBps) +
                ioMaxPart("riops", io.readIops) + ioMaxPart("wiops", io.writeIops));
  }
  return out.take();
}

}  // namespace lightv
