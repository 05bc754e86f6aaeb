#include <poll.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "cli/describe.hpp"
#include "cli/listing.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kStatsFlags[] = {
    {.name = "all", .letter = 'a', .help = "Those that don't run too"},
    {.name = "no-stream", .help = "Show them once"},
    {.name = "format",
     .value = "FORMAT",
     .help = "table, json, or a template such as '{{.Name}} {{.CPUPerc}}'",
     .words = "table json"},
    {.name = "no-trunc", .help = "Ids in full"},
};

constexpr Column kColumns[] = {
    {"ID", "SANDBOX ID"},
    {"Name", "NAME"},
    {"CPUPerc", "CPU %"},
    {"MemUsage", "MEM USAGE / LIMIT"},
    {"MemPerc", "MEM %"},
    {"BlockIO", "BLOCK I/O"},
    {"PIDs", "PIDS"},
    {"LayerUsage", "LAYER USAGE / LIMIT"},
    {"LogDropped", "LOG DROPPED"},
};

constexpr const char* kAbsent = "--";
// One reading tells no load; this long after it there is a second.
constexpr int kFirstPauseMs = 500, kPauseMs = 1000;

struct Reading {
  std::uint64_t cpuUs = 0, atUs = 0;
};

std::string pairOf(const std::optional<std::uint64_t>& one, const std::optional<std::uint64_t>& other) {
  if (!one && !other) return std::string(kAbsent) + " / " + kAbsent;
  return decimalSize(one.value_or(0)) + " / " + decimalSize(other.value_or(0));
}

std::uint64_t machineMemory() {
  struct sysinfo machine {};
  return ::sysinfo(&machine) == 0 ? static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit : 0;
}

class StatsTable {
 public:
  StatsTable(const Engine& engine, const Parsed& parsed) : engine_(engine), parsed_(parsed), memory_(machineMemory()) {}

  /** Reads all once more. A sandbox that is named and isn't there is an error; one that ends meanwhile shows "--". */
  Result<std::vector<Row>> rows() {
    const Result<std::vector<SandboxInfo>> infos = chosen();
    if (!infos) return infos.error();
    std::vector<Row> rows;
    for (const SandboxInfo& info : *infos) rows.push_back(rowOf(info));
    return rows;
  }

 private:
  Result<std::vector<SandboxInfo>> chosen() {
    if (parsed_.args.empty()) {
      Result<std::vector<SandboxInfo>> all = engine_.list();
      if (!all) return all;
      if (!parsed_.on("all")) {
        std::erase_if(*all, [](const SandboxInfo& info) {
          return info.status == SandboxStatus::created || info.status == SandboxStatus::exited;
        });
      }
      std::sort(all->begin(), all->end(),
                [](const auto& one, const auto& other) { return one.spec.created > other.spec.created; });
      return all;
    }
    std::vector<SandboxInfo> named;
    for (const std::string& name : parsed_.args) {
      const Result<std::string> id = engine_.find(name);
      if (!id) return id.error();
      Result<SandboxInfo> info = engine_.info(*id);
      if (!info) return info.error();
      named.push_back(std::move(*info));
    }
    return named;
  }

  Row rowOf(const SandboxInfo& info) {
    const std::string& id = info.spec.id;
    const bool full = parsed_.on("no-trunc");
    Row row = {full ? id : shortId(id), info.spec.name};
    const bool lives = info.status == SandboxStatus::running || info.status == SandboxStatus::paused;
    const Result<SandboxStats> stats = lives ? engine_.stats(id) : Result<SandboxStats>(Error{});
    if (!stats) {
      const std::string absentPair = std::string(kAbsent) + " / " + kAbsent;
      row.insert(row.end(), {kAbsent, absentPair, kAbsent, kAbsent, kAbsent, absentPair, kAbsent});
      return row;
    }
    const CgroupStats& cgroup = stats->cgroup;
    const std::uint64_t limit = std::min(cgroup.memoryLimitBytes.value_or(memory_), memory_);
    row.push_back(cpuOf(id, *stats));
    row.push_back((cgroup.memoryBytes ? binarySize(*cgroup.memoryBytes) : kAbsent) + " / " + binarySize(limit));
    constexpr double hundred = 100;
    row.push_back(cgroup.memoryBytes && limit > 0
                      ? percent(hundred * static_cast<double>(*cgroup.memoryBytes) / static_cast<double>(limit))
                      : kAbsent);
    row.push_back(pairOf(cgroup.ioReadBytes, cgroup.ioWriteBytes));
    row.push_back(cgroup.pids ? std::to_string(*cgroup.pids) : kAbsent);
    row.push_back(stats->layerLimitBytes
                      ? binarySize(stats->layerUsedBytes.value_or(0)) + " / " + binarySize(*stats->layerLimitBytes)
                      : std::string(kAbsent) + " / " + kAbsent);
    row.push_back(std::to_string(stats->logDroppedLines));
    return row;
  }

  std::string cpuOf(const std::string& id, const SandboxStats& stats) {
    if (!stats.cgroup.cpuUsageUs) return kAbsent;
    const auto before = before_.find(id);
    const Reading now{.cpuUs = *stats.cgroup.cpuUsageUs, .atUs = stats.monotonicUs};
    double load = 0;
    if (before != before_.end() && now.atUs > before->second.atUs && now.cpuUs >= before->second.cpuUs) {
      constexpr double hundred = 100;
      load = hundred * static_cast<double>(now.cpuUs - before->second.cpuUs) /
             static_cast<double>(now.atUs - before->second.atUs);
    }
    before_[id] = now;
    return percent(load);
  }

  const Engine& engine_;
  const Parsed& parsed_;
  std::uint64_t memory_;
  std::map<std::string, Reading> before_;
};

/** Overwrites the last picture line by line: nothing flickers. */
std::string redrawn(const std::string& text) {
  std::string screen = "\x1b[H";
  for (const std::string& line : split(std::string_view(text).substr(0, text.size() - 1), '\n'))
    screen += line + "\x1b[K\n";
  return screen + "\x1b[J";
}

int runStats(const Engine& engine, const Parsed& parsed) {
  StatsTable table(engine, parsed);
  if (const Result<std::vector<Row>> first = table.rows(); !first) return fail(parsed, first.error());
  const std::string format = parsed.text("format");
  const bool live = !parsed.on("no-stream");
  const bool redraw = live && isTerminal(STDOUT_FILENO) && (format.empty() || format.starts_with("table"));
  if (redraw) print("\x1b[2J");
  for (int pause = kFirstPauseMs;; pause = kPauseMs) {
    (void)::poll(nullptr, 0, pause);
    const Result<std::vector<Row>> rows = table.rows();
    if (!rows) return fail(parsed, rows.error());
    const Result<std::string> text = renderListing(kColumns, *rows, format);
    if (!text) return fail(parsed, text.error());
    print(redraw ? redrawn(*text) : *text);
    if (!live) return 0;
  }
}

}  // namespace

constinit const Verb kStats = {.name = "stats",
                               .group = Group::common,
                               .usage = "[OPTIONS] [SANDBOX...]",
                               .summary = "Show what sandboxes use, live",
                               .flags = [] { return FlagTables{kStatsFlags}; },
                               .maxArgs = kMany,
                               .offer = Offer::running,
                               .run = runStats};

}  // namespace lightv::cli
