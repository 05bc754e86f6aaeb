#include "cli/create_options.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kKillFlags[] = {{.name = "signal", .letter = 's', .value = "SIGNAL", .help = "Signal to send (KILL)"}};

int runKill(const Engine& engine, const Parsed& parsed) {
  const std::string name = parsed.text("signal", "KILL");
  const int signal = parseSignal(name);
  if (signal == 0)
    return fail(parsed, invalidValue("signal", name, "a signal's name or number, such as HUP"), kEngineFailed);
  return forEachSandbox(engine, parsed, [&](const std::string& id) { return engine.kill(id, signal); });
}

}  // namespace

constinit const Verb kKill = {.name = "kill",
                              .group = Group::manage,
                              .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                              .summary = "Send a signal to running sandboxes",
                              .flags = [] { return FlagTables{kKillFlags}; },
                              .minArgs = 1,
                              .maxArgs = kMany,
                              .offer = Offer::running,
                              .run = runKill};

}  // namespace lightv::cli
