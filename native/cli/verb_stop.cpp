// stop, and restart which is stop and start.
#include "cli/create_options.hpp"
#include "cli/foreground.hpp"
#include "cli/verbs.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kStopFlags[] = {
    {.name = "signal", .letter = 's', .value = "SIGNAL", .help = "Signal that asks it to end (its own stop signal)"},
    {.name = "time",
     .letter = 't',
     .value = "SECONDS",
     .help = "Patience before SIGKILL (its own stop timeout); -1: for ever"},
    {.name = "timeout", .value = "SECONDS", .help = "The same as --time"},
};

struct StopHow {
  int signal = 0;
  int timeoutMs = -1;
};

Result<StopHow> stopHow(const Parsed& parsed) {
  StopHow how;
  if (parsed.has("signal")) {
    const std::string name = parsed.text("signal");
    how.signal = parseSignal(name);
    if (how.signal == 0) return invalidValue("signal", name, "a signal's name or number, such as TERM");
  }
  const std::string time = parsed.text("time", parsed.text("timeout"));
  if (time.empty()) return how;
  constexpr int forever = 1'000'000;  // seconds; 11 days, as far as an int of milliseconds reaches comfortably
  const auto seconds = parseInteger<int>(time);
  if (!seconds || *seconds < -1 || *seconds > forever) return invalidValue("time", time, "seconds, or -1 for no limit");
  how.timeoutMs = (*seconds < 0 ? forever : *seconds) * 1000;
  return how;
}

int runStop(const Engine& engine, const Parsed& parsed) {
  const Result<StopHow> how = stopHow(parsed);
  if (!how) return fail(parsed, how.error(), kEngineFailed);
  return forEachSandbox(engine, parsed,
                        [&](const std::string& id) { return engine.stop(id, how->signal, how->timeoutMs); });
}

int runRestart(const Engine& engine, const Parsed& parsed) {
  const Result<StopHow> how = stopHow(parsed);
  if (!how) return fail(parsed, how.error(), kEngineFailed);
  return forEachSandbox(engine, parsed, [&](const std::string& id) -> Status {
    if (Status status = engine.stop(id, how->signal, how->timeoutMs); !status) return status;
    const Result<Started> started = engine.start(id, {});
    if (!started) return started.error();
    showWarnings(started->warnings);
    return {};
  });
}

}  // namespace

constinit const Verb kStop = {.name = "stop",
                              .group = Group::manage,
                              .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                              .summary = "Stop running sandboxes",
                              .flags = [] { return FlagTables{kStopFlags}; },
                              .minArgs = 1,
                              .maxArgs = kMany,
                              .offer = Offer::running,
                              .run = runStop};

constinit const Verb kRestart = {.name = "restart",
                                 .group = Group::manage,
                                 .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                                 .summary = "Stop sandboxes and start them again",
                                 .flags = [] { return FlagTables{kStopFlags}; },
                                 .minArgs = 1,
                                 .maxArgs = kMany,
                                 .offer = Offer::sandbox,
                                 .run = runRestart};

}  // namespace lightv::cli
