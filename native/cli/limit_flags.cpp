#include "cli/create_options.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr std::uint64_t kLeastShares = 2, kMostShares = 262'144;
constexpr std::uint64_t kLeastPeriod = 1000, kMostPeriod = 1'000'000, kLeastQuota = 1000;
constexpr std::uint32_t kLeastWeight = 10, kMostWeight = 1000;

Status setSize(std::optional<std::uint64_t>& into, std::string_view flag, std::string_view value) {
  const auto size = parseSize(value);
  if (!size || *size == 0) return invalidValue(flag, value, "a size such as 64m or 1.5g");
  into = *size;
  return {};
}

template <class T>
Status setNumber(T& into, std::string_view flag, std::string_view value, std::uint64_t min, std::uint64_t max) {
  const auto number = parseInteger<std::uint64_t>(value);
  if (!number || *number < min || *number > max) {
    return invalidValue(flag, value, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  into = static_cast<std::uint32_t>(*number);
  return {};
}

Limits& limitsOf(CreateOptions& options) {
  return options.request.spec.limits;
}

constexpr Flag kLimitFlags[] = {
    {.name = "memory",
     .letter = 'm',
     .value = "BYTES",
     .help = "Most memory (64m, 1.5g)",
     .apply = [](CreateOptions& o, std::string_view v) { return setSize(limitsOf(o).memoryMax, "memory", v); }},
    {.name = "memory-reservation",
     .value = "BYTES",
     .help = "Memory that is left to it when memory is short",
     .apply = [](CreateOptions& o,
                 std::string_view v) { return setSize(limitsOf(o).memoryReservation, "memory-reservation", v); }},
    {.name = "memory-high",
     .value = "BYTES",
     .help = "Memory beyond which it is slowed down and has to give back (cgroup v2)",
     .apply = [](CreateOptions& o, std::string_view v) { return setSize(limitsOf(o).memoryHigh, "memory-high", v); }},
    {.name = "memory-swap",
     .value = "BYTES",
     .help = "Most memory and swap together; -1: swap without bound",
     .apply =
         [](CreateOptions& o, std::string_view v) {
           o.unlimitedSwap = v == "-1";
           return o.unlimitedSwap ? Status() : setSize(o.memorySwap, "memory-swap", v);
         }},
    {.name = "cpus",
     .value = "NUMBER",
     .help = "Most processors' worth of time (0.5, 2)",
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       o.cpusMilli = parseMilli(v);
       if (!o.cpusMilli || *o.cpusMilli < 10) return invalidValue("cpus", v, "a number from 0.01, such as 0.5 or 2");
       return {};
     }},
    {.name = "cpu-shares",
     .letter = 'c',
     .value = "NUMBER",
     .help = "Weight against other sandboxes (1024 is usual)",
     .apply =
         [](CreateOptions& o, std::string_view v) {
           return setNumber(limitsOf(o).cpuShares, "cpu-shares", v, kLeastShares, kMostShares);
         }},
    {.name = "cpu-period",
     .value = "MICROSECONDS",
     .help = "Period of the --cpu-quota (100000)",
     .apply =
         [](CreateOptions& o, std::string_view v) {
           return setNumber(limitsOf(o).cpuPeriodUs, "cpu-period", v, kLeastPeriod, kMostPeriod);
         }},
    {.name = "cpu-quota",
     .value = "MICROSECONDS",
     .help = "Most processor time in a period",
     .apply = [](CreateOptions& o,
                 std::string_view v) { return setNumber(limitsOf(o).cpuQuotaUs, "cpu-quota", v, kLeastQuota, ~0U); }},
    {.name = "cpuset-cpus",
     .value = "LIST",
     .help = "Processors it may run on (0-2,4)",
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       limitsOf(o).cpusetCpus = v;
       return {};
     }},
    {.name = "cpuset-mems",
     .value = "LIST",
     .help = "Memory nodes it may use (0,1)",
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       limitsOf(o).cpusetMems = v;
       return {};
     }},
    {.name = "pids-limit",
     .value = "NUMBER",
     .help = "Most processes and threads; -1: no bound",
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       const auto number = parseInteger<std::int64_t>(v);
       if (!number || *number < -1 || *number > (1 << 22))
         return invalidValue("pids-limit", v, "a whole number, or -1");
       limitsOf(o).pidsMax.reset();
       if (*number > 0) limitsOf(o).pidsMax = *number;
       return {};
     }},
    {.name = "blkio-weight",
     .value = "NUMBER",
     .help = "Weight of block I/O, 10 to 1000",
     .apply =
         [](CreateOptions& o, std::string_view v) {
           return setNumber(limitsOf(o).ioWeight, "blkio-weight", v, kLeastWeight, kMostWeight);
         }},
    {.name = "device-read-bps",
     .value = "DEVICE:RATE",
     .help = "Most bytes a second read from a device (/dev/sda:1mb)",
     .apply = [](CreateOptions& o,
                 std::string_view v) { return addDeviceLimit(limitsOf(o), "device-read-bps", v, IoKind::readBps); }},
    {.name = "device-write-bps",
     .value = "DEVICE:RATE",
     .help = "Most bytes a second written to a device",
     .apply = [](CreateOptions& o,
                 std::string_view v) { return addDeviceLimit(limitsOf(o), "device-write-bps", v, IoKind::writeBps); }},
    {.name = "device-read-iops",
     .value = "DEVICE:RATE",
     .help = "Most reads a second from a device",
     .apply = [](CreateOptions& o,
                 std::string_view v) { return addDeviceLimit(limitsOf(o), "device-read-iops", v, IoKind::readIops); }},
    {.name = "device-write-iops",
     .value = "DEVICE:RATE",
     .help = "Most writes a second to a device",
     .apply =
         [](CreateOptions& o, std::string_view v) {
           return addDeviceLimit(limitsOf(o), "device-write-iops", v, IoKind::writeIops);
         }},
    {.name = "storage-opt",
     .value = "size=BYTES",
     .help = "Most bytes of its writable layer, kept free for it (64m)",
     .words = "size=",
     .apply = [](CreateOptions& o, std::string_view v) { return addStorageOption(o.request.spec, v); }},
    {.name = "ulimit",
     .value = "NAME=SOFT[:HARD]",
     .help = "A resource limit (nofile=1024:4096)",
     .apply = [](CreateOptions& o, std::string_view v) { return addUlimit(o.request.spec, v); }},
    {.name = "log-opt",
     .value = "KEY=VALUE",
     .help = "max-size=1m, max-file=3, max-rate=256k (a second), max-burst=8m",
     .words = "max-size= max-file= max-rate= max-burst=",
     .apply = [](CreateOptions& o, std::string_view v) { return addLogOption(o.request.spec, v); }},
    {.name = "restart",
     .value = "POLICY",
     .help = "When it ends: no, on-failure[:MOST], always, unless-stopped",
     .words = "no on-failure always unless-stopped",
     .apply = setRestart},
};

}  // namespace

std::span<const Flag> limitFlags() {
  return kLimitFlags;
}

}  // namespace lightv::cli
