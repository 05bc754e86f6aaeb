#include "cli/foreground.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kStartFlags[] = {
    {.name = "attach", .letter = 'a', .help = "Attach its output and forward signals"},
    {.name = "interactive", .letter = 'i', .help = "Attach its standard input"},
    {.name = "sig-proxy", .help = "Forward signals to it (true)"},
    {.name = "detach-keys", .value = "KEYS", .help = "Keys that leave it running (ctrl-p,ctrl-q)"},
};

int startAttached(const Engine& engine, const Parsed& parsed) {
  if (parsed.args.size() != 1) return fail(parsed, Error{"-a and -i take one sandbox"}, 1);
  Parsed streams = parsed;
  std::erase_if(streams.values, [](const auto& entry) { return std::string_view(entry.first->name) == "attach"; });
  Result<ForegroundOptions> options = foregroundOptions(streams);
  if (!options) return fail(parsed, options.error());
  const Result<std::string> id = engine.find(parsed.args[0]);
  if (!id) return fail(parsed, id.error());
  const Result<SandboxInfo> info = engine.info(*id);
  if (!info) return fail(parsed, info.error());
  options->input = options->input && info->spec.openStdin;
  if (Status status = checkTerminal(info->spec.terminal, options->input); !status) return fail(parsed, status.error());
  return runForeground(
      engine, parsed, info->spec,
      [&](const StartOptions& start) {
        return Begun{*id, engine.start(*id, start)};
      },
      *options);
}

int runStart(const Engine& engine, const Parsed& parsed) {
  if (parsed.on("attach") || parsed.on("interactive")) return startAttached(engine, parsed);
  return forEachSandbox(engine, parsed, [&](const std::string& id) -> Status {
    const Result<Started> started = engine.start(id, {});
    if (started) showWarnings(started->warnings);
    // What runs already is what was wanted, as in Docker.
    return started || started.error().err == EALREADY ? Status() : Status(started.error());
  });
}

}  // namespace

constinit const Verb kStart = {.name = "start",
                               .group = Group::manage,
                               .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                               .summary = "Start stopped sandboxes",
                               .flags = [] { return FlagTables{kStartFlags}; },
                               .minArgs = 1,
                               .maxArgs = kMany,
                               .offer = Offer::stopped,
                               .run = runStart};

}  // namespace lightv::cli
