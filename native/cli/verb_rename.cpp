#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runRename(const Engine& engine, const Parsed& parsed) {
  const Result<std::string> id = engine.find(parsed.args[0]);
  const Status status = id ? engine.rename(*id, parsed.args[1]) : Status(id.error());
  return status ? 0 : fail(parsed, status.error());
}

}  // namespace

constinit const Verb kRename = {.name = "rename",
                                .group = Group::manage,
                                .usage = "SANDBOX NEW_NAME",
                                .summary = "Give a sandbox another name",
                                .minArgs = 2,
                                .maxArgs = 2,
                                .offer = Offer::sandbox,
                                .run = runRename};

}  // namespace lightv::cli
