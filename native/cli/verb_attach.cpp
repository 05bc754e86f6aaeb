#include "cli/foreground.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kAttachFlags[] = {
    {.name = "no-stdin", .help = "Leave its standard input alone"},
    {.name = "sig-proxy", .help = "Forward signals to it (true)"},
    {.name = "detach-keys", .value = "KEYS", .help = "Keys that leave it running (ctrl-p,ctrl-q)"},
};

int runAttach(const Engine& engine, const Parsed& parsed) {
  Result<ForegroundOptions> options = foregroundOptions(parsed);
  if (!options) return fail(parsed, options.error());
  const Result<std::string> id = engine.find(parsed.args[0]);
  if (!id) return fail(parsed, id.error());
  const Result<SandboxInfo> info = engine.info(*id);
  if (!info) return fail(parsed, info.error());
  if (info->status == SandboxStatus::paused) {
    return fail(parsed, Error{"cannot attach to a paused sandbox", 0, parsed.args[0],
                              "lightv unpause " + parsed.args[0] + " first"});
  }
  if (info->status == SandboxStatus::created || info->status == SandboxStatus::exited) {
    return fail(parsed, Error{"cannot attach to a stopped sandbox", 0, parsed.args[0],
                              "lightv start -a " + parsed.args[0] + " starts it"});
  }
  options->input = info->spec.openStdin && !parsed.on("no-stdin");
  if (Status status = checkTerminal(info->spec.terminal, options->input); !status) return fail(parsed, status.error());
  return runForeground(
      engine, parsed, info->spec,
      [&](const StartOptions& start) {
        return Begun{*id, engine.attach(*id, start.attach, start.attachStdin)};
      },
      *options);
}

}  // namespace

constinit const Verb kAttach = {.name = "attach",
                                .group = Group::common,
                                .usage = "[OPTIONS] SANDBOX",
                                .summary = "Attach to the input and output of a running sandbox",
                                .flags = [] { return FlagTables{kAttachFlags}; },
                                .minArgs = 1,
                                .maxArgs = 1,
                                .offer = Offer::running,
                                .run = runAttach};

}  // namespace lightv::cli
