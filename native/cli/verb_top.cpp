#include <algorithm>

#include "cli/listing.hpp"
#include "cli/output.hpp"
#include "cli/process_row.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kTopFlags[] = {
    {.name = "format",
     .value = "FORMAT",
     .help = "table, json, or a template such as '{{.PID}} {{.CMD}}'",
     .words = "table json"},
};

constexpr Column kColumns[] = {{"UID", "UID"},     {"PID", "PID"}, {"PPID", "PPID"}, {"C", "C"},
                               {"STIME", "STIME"}, {"TTY", "TTY"}, {"TIME", "TIME"}, {"CMD", "CMD"}};

int runTop(const Engine& engine, const Parsed& parsed) {
  const Result<std::string> id = engine.find(parsed.args[0]);
  if (!id) return fail(parsed, id.error());
  const Result<SandboxInfo> info = engine.info(*id);
  if (!info) return fail(parsed, info.error());
  if (info->status == SandboxStatus::created || info->status == SandboxStatus::exited) {
    return fail(parsed, Error{"sandbox " + parsed.args[0] + " is not running"});
  }
  Result<std::vector<pid_t>> pids = engine.processes(*id);
  if (!pids) return fail(parsed, pids.error());
  std::sort(pids->begin(), pids->end());
  std::vector<Row> rows;
  for (const pid_t pid : *pids) {
    if (auto row = processRow(pid)) rows.push_back(std::move(*row));
  }
  const Result<std::string> text = renderListing(kColumns, rows, parsed.text("format"));
  if (!text) return fail(parsed, text.error());
  print(*text);
  return 0;
}

}  // namespace

constinit const Verb kTop = {.name = "top",
                             .group = Group::common,
                             .usage = "[OPTIONS] SANDBOX",
                             .summary = "List the processes of a sandbox",
                             .flags = [] { return FlagTables{kTopFlags}; },
                             .minArgs = 1,
                             .maxArgs = 1,
                             .offer = Offer::running,
                             .run = runTop};

}  // namespace lightv::cli
