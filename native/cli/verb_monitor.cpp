#include "cli/verbs.hpp"
#include "monitor/monitor.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kMonitorFlags[] = {{.name = "inside", .help = "It is in an ordinary user's user namespace already"}};

int runMonitor(const Engine& engine, const Parsed& parsed) {
  Paths paths = engine.paths();
  paths.rootless = paths.rootless || parsed.on("inside");
  return monitorMain(paths, parsed.args[0], parsed.on("inside"));
}

}  // namespace

constinit const Verb kMonitor = {.name = "__monitor",
                                 .group = Group::hidden,
                                 .usage = "ID",
                                 .summary = "The process that watches over one sandbox; the engine starts it",
                                 .flags = [] { return FlagTables{kMonitorFlags}; },
                                 .minArgs = 1,
                                 .maxArgs = 1,
                                 .run = runMonitor};

}  // namespace lightv::cli
