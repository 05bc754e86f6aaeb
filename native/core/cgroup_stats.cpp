#include <fcntl.h>
#include <unistd.h>

#include "core/cgroup.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

using Number = std::optional<std::uint64_t>;

/** v1 says "no limit" by a number of pages near 2^63. */
constexpr std::uint64_t unlimitedV1 = 1ULL << 62;
constexpr std::string_view kOomKill = "oom_kill";

Number readNumber(const std::string& path) {
  const Result<std::string> text = readFile(path);
  return text ? parseInteger<std::uint64_t>(trim(*text)) : std::nullopt;
}

/** The number after `key` in "key number" lines. */
Number findKeyed(std::string_view text, std::string_view key) {
  for (const std::string& line : split(text, '\n')) {
    if (line.size() > key.size() && line.compare(0, key.size(), key) == 0 && line[key.size()] == ' ') {
      return parseInteger<std::uint64_t>(std::string_view(line).substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

Number readKeyed(const std::string& path, std::string_view key) {
  const Result<std::string> text = readFile(path);
  return text ? findKeyed(*text, key) : std::nullopt;
}

Number scaled(const Number& value, std::uint64_t divisor) {
  return value ? Number(*value / divisor) : std::nullopt;
}

/** What is in use without the file cache that the kernel can drop at once. */
Number withoutCache(const Number& usage, const Number& inactiveFile) {
  if (!usage) return std::nullopt;
  const std::uint64_t cache = inactiveFile.value_or(0);
  return *usage > cache ? *usage - cache : 0;
}

/** Sums "8:0 rbytes=1 wbytes=2 …" (v2). A group that did no I/O has an empty file. */
void addIoV2(const std::string& path, CgroupStats& stats) {
  const Result<std::string> text = readFile(path);
  if (!text) return;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  for (const std::string& line : split(*text, '\n')) {
    for (const std::string& word : split(line, ' ')) {
      const std::string_view view = word;
      if (view.substr(0, 7) == "rbytes=") read += parseInteger<std::uint64_t>(view.substr(7)).value_or(0);
      if (view.substr(0, 7) == "wbytes=") written += parseInteger<std::uint64_t>(view.substr(7)).value_or(0);
    }
  }
  stats.ioReadBytes = read;
  stats.ioWriteBytes = written;
}

/** Sums "8:0 Read 1" and "8:0 Write 2" lines (v1). */
void addIoV1(const std::string& path, CgroupStats& stats) {
  const Result<std::string> text = readFile(path);
  if (!text) return;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  for (const std::string& line : split(*text, '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    if (words.size() != 3) continue;
    const std::uint64_t bytes = parseInteger<std::uint64_t>(words[2]).value_or(0);
    if (words[1] == "Read") read += bytes;
    if (words[1] == "Write") written += bytes;
  }
  stats.ioReadBytes = read;
  stats.ioWriteBytes = written;
}

void readPids(const std::string& directory, CgroupStats& stats) {
  stats.pids = readNumber(directory + "/pids.current");
  stats.pidsLimit = readNumber(directory + "/pids.max");  // "max" is no number: absent
  stats.pidsRefused = readKeyed(directory + "/pids.events", "max").value_or(0);
}

}  // namespace

void Cgroup::readStatsV2(CgroupStats& stats) const {
  const std::string directory = v2Path();
  if (directory.empty()) return;
  // Processor time is counted in every v2 group, with the controller or without.
  stats.cpuUsageUs = readKeyed(directory + "/cpu.stat", "usage_usec");
  if (const std::string cpu = directoryOf("cpu", true); !cpu.empty()) {
    stats.throttledUs = readKeyed(cpu + "/cpu.stat", "throttled_usec");
  }
  if (const std::string memory = directoryOf("memory", true); !memory.empty()) {
    const Number inactive = readKeyed(memory + "/memory.stat", "inactive_file");
    stats.memoryBytes = withoutCache(readNumber(memory + "/memory.current"), inactive);
    stats.memoryPeakBytes = readNumber(memory + "/memory.peak");
    stats.memoryLimitBytes = readNumber(memory + "/memory.max");
  }
  if (const std::string pids = directoryOf("pids", true); !pids.empty()) readPids(pids, stats);
  if (const std::string io = directoryOf("io", true); !io.empty()) addIoV2(io + "/io.stat", stats);
}

void Cgroup::readStatsV1(CgroupStats& stats) const {
  if (const std::string memory = directoryOf("memory", false); !memory.empty()) {
    const Number inactive = readKeyed(memory + "/memory.stat", "total_inactive_file");
    stats.memoryBytes = withoutCache(readNumber(memory + "/memory.usage_in_bytes"), inactive);
    stats.memoryPeakBytes = readNumber(memory + "/memory.max_usage_in_bytes");
    const Number limit = readNumber(memory + "/memory.limit_in_bytes");
    stats.memoryLimitBytes = limit && *limit < unlimitedV1 ? limit : std::nullopt;
  }
  if (const std::string account = directoryOf("cpuacct", false); !account.empty()) {
    stats.cpuUsageUs = scaled(readNumber(account + "/cpuacct.usage"), 1000);
  }
  if (const std::string cpu = directoryOf("cpu", false); !cpu.empty()) {
    stats.throttledUs = scaled(readKeyed(cpu + "/cpu.stat", "throttled_time"), 1000);
  }
  if (const std::string pids = directoryOf("pids", false); !pids.empty()) readPids(pids, stats);
  if (const std::string block = directoryOf("blkio", false); !block.empty()) {
    addIoV1(block + "/blkio.throttle.io_service_bytes_recursive", stats);
  }
}

std::string Cgroup::oomEventsFile() const {
  const std::string directory = directoryOf("memory", true);
  return directory.empty() ? directoryOf("memory", false) + "/memory.oom_control" : directory + "/memory.events";
}

std::uint64_t Cgroup::oomKills() const {
  return readKeyed(oomEventsFile(), kOomKill).value_or(0);
}

Fd Cgroup::openOomEvents() const {
  Result<Fd> file = openFile(oomEventsFile(), O_RDONLY);
  return file ? std::move(*file) : Fd();
}

std::uint64_t readOomKills(int events) {
  char text[512];
  const ssize_t got = ::pread(events, text, sizeof text, 0);
  return got > 0 ? findKeyed({text, static_cast<std::size_t>(got)}, kOomKill).value_or(0) : 0;
}

Result<CgroupStats> Cgroup::stats() const {
  if (directories_.empty() || !exists(directories_.front())) {
    return Error{"read statistics", ENOENT, directories_.empty() ? cgroupMountPoint : directories_.front()};
  }
  CgroupStats stats;
  readStatsV2(stats);
  readStatsV1(stats);
  stats.oomKills = oomKills();
  return stats;
}

}  // namespace lightv
