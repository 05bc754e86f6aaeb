#include "cli/verbs.hpp"
#include "monitor/monitor.hpp"

namespace lightv::cli {

namespace {

int runMonitor(const Engine& engine, const Parsed& parsed) {
  return monitorMain(engine.paths(), parsed.args[0]);
}

}  // namespace

constinit const Verb kMonitor = {.name = "__monitor",
                                 .group = Group::hidden,
                                 .usage = "ID",
                                 .summary = "The process that watches over one sandbox; the engine starts it",
                                 .minArgs = 1,
                                 .maxArgs = 1,
                                 .run = runMonitor};

}  // namespace lightv::cli
