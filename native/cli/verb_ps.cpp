#include <algorithm>

#include "cli/create_options.hpp"
#include "cli/describe.hpp"
#include "cli/listing.hpp"
#include "cli/output.hpp"
#include "cli/ps_filter.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kListFlags[] = {
    {.name = "all", .letter = 'a', .help = "Those that don't run too"},
    {.name = "filter",
     .letter = 'f',
     .value = "KEY=VALUE",
     .help = "Only those with this name, id, status, label, ancestor, exited",
     .words = "name= id= status=running status=exited status=paused status=created status=restarting label= ancestor= "
              "exited="},
    {.name = "format",
     .value = "FORMAT",
     .help = "table, json, or a template such as '{{.ID}} {{.Names}}'",
     .words = "table json"},
    {.name = "last", .letter = 'n', .value = "NUMBER", .help = "The newest ones, in any status"},
    {.name = "latest", .letter = 'l', .help = "The newest one, in any status"},
    {.name = "no-trunc", .help = "Ids and commands in full"},
    {.name = "quiet", .letter = 'q', .help = "Only ids"},
};

constexpr Column kColumns[] = {
    {"ID", "SANDBOX ID"},
    {"Image", "IMAGE"},
    {"Command", "COMMAND"},
    {"RunningFor", "CREATED"},
    {"Status", "STATUS"},
    {"Names", "NAMES"},
    {"CreatedAt", "CREATED AT", false},
    {"State", "STATE", false},
    {"Labels", "LABELS", false},
    {"Mounts", "MOUNTS", false},
    {"Networks", "NETWORKS", false},
    {"ImageID", "IMAGE ID", false},
};

std::string shownCommand(const Spec& spec, bool full) {
  constexpr std::size_t longest = 20;
  std::string text = commandLine(spec);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      c = ' ';  // one row a sandbox, and no games with the terminal
  }
  if (!full && text.size() > longest) {
    std::size_t end = longest - 1;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not inside of a UTF-8 character
    text = text.substr(0, end) + "…";
  }
  return "\"" + text + "\"";
}

std::string mountList(const Spec& spec) {
  std::vector<std::string> names;
  for (const Mount& mount : spec.mounts) {
    if (mount.kind != MountKind::tmpfs) names.push_back(mount.kind == MountKind::volume ? mount.volume : mount.source);
  }
  return join(names, ",");
}

Row rowOf(const SandboxInfo& info, bool full, std::int64_t now) {
  const Spec& spec = info.spec;
  return {full ? spec.id : shortId(spec.id),
          spec.imageName,
          shownCommand(spec, full),
          ago(spec.created, now),
          statusText(info, now),
          spec.name,
          spec.created,
          statusName(info.status),
          labelList(spec.labels),
          mountList(spec),
          spec.network == Network::host ? "host" : "none",
          full ? spec.imageDigest : shortId(spec.imageDigest)};
}

Status parseLast(const Parsed& parsed, std::size_t& most) {
  if (parsed.on("latest")) most = 1;
  if (!parsed.has("last")) return {};
  const auto number = parseInteger<std::size_t>(parsed.text("last"));
  if (!number) return invalidValue("last", parsed.text("last"), "a whole number");
  most = *number;
  return {};
}

int runList(const Engine& engine, const Parsed& parsed) {
  const Result<PsFilter> filter = PsFilter::parse(parsed.all("filter"));
  if (!filter) return fail(parsed, filter.error(), kEngineFailed);
  std::size_t most = 0;
  if (Status status = parseLast(parsed, most); !status) return fail(parsed, status.error(), kEngineFailed);
  Result<std::vector<SandboxInfo>> all = engine.list();
  if (!all) return fail(parsed, all.error());
  // RFC 3339 in UTC with nine digits sorts as text.
  std::sort(all->begin(), all->end(),
            [](const SandboxInfo& one, const SandboxInfo& other) { return one.spec.created > other.spec.created; });
  const bool stopped = parsed.on("all") || most != 0 || filter->wantsStopped();
  const bool full = parsed.on("no-trunc");
  const std::int64_t now = wallNow().seconds;
  std::vector<Row> rows;
  for (const SandboxInfo& info : *all) {
    const bool lives = info.status != SandboxStatus::created && info.status != SandboxStatus::exited;
    if ((lives || stopped) && filter->matches(info)) rows.push_back(rowOf(info, full, now));
    if (most != 0 && rows.size() == most) break;
  }
  const std::string format = parsed.text("format");
  const Result<std::string> text =
      renderListing(kColumns, rows, parsed.on("quiet") && format.empty() ? "{{.ID}}" : format);
  if (!text) return fail(parsed, text.error());
  print(*text);
  return 0;
}

}  // namespace

constinit const Verb kList = {.name = "ps",
                              .group = Group::common,
                              .usage = "[OPTIONS]",
                              .summary = "List sandboxes",
                              .flags = [] { return FlagTables{kListFlags}; },
                              .run = runList};

}  // namespace lightv::cli
