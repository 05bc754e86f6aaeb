#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runPause(const Engine& engine, const Parsed& parsed) {
  return forEachSandbox(engine, parsed, [&](const std::string& id) { return engine.pause(id); });
}

int runUnpause(const Engine& engine, const Parsed& parsed) {
  return forEachSandbox(engine, parsed, [&](const std::string& id) { return engine.unpause(id); });
}

}  // namespace

constinit const Verb kPause = {.name = "pause",
                               .group = Group::manage,
                               .usage = "SANDBOX [SANDBOX...]",
                               .summary = "Freeze all processes of sandboxes",
                               .minArgs = 1,
                               .maxArgs = kMany,
                               .offer = Offer::running,
                               .run = runPause};

constinit const Verb kUnpause = {.name = "unpause",
                                 .group = Group::manage,
                                 .usage = "SANDBOX [SANDBOX...]",
                                 .summary = "Let frozen sandboxes go on",
                                 .minArgs = 1,
                                 .maxArgs = kMany,
                                 .offer = Offer::running,
                                 .run = runUnpause};

}  // namespace lightv::cli
