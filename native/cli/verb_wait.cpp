#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runWait(const Engine& engine, const Parsed& parsed) {
  int code = 0;
  for (const std::string& given : parsed.args) {
    const Result<std::string> id = engine.find(given);
    const Result<ExitInfo> exit = id ? engine.wait(*id) : Result<ExitInfo>(id.error());
    if (exit) {
      print(std::to_string(exit->exitCode) + "\n");
    } else {
      code = fail(parsed, exit.error());
    }
  }
  return code;
}

}  // namespace

constinit const Verb kWait = {.name = "wait",
                              .group = Group::manage,
                              .usage = "SANDBOX [SANDBOX...]",
                              .summary = "Wait until sandboxes have ended and print their exit codes",
                              .minArgs = 1,
                              .maxArgs = kMany,
                              .offer = Offer::running,
                              .run = runWait};

}  // namespace lightv::cli
