#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kRemoveFlags[] = {
    {.name = "force", .letter = 'f', .help = "End it first when it runs; what isn't there is fine"},
    {.name = "volumes", .letter = 'v', .help = "Remove its volumes that nothing else uses too"},
};

int runRemove(const Engine& engine, const Parsed& parsed) {
  const bool force = parsed.on("force");
  int code = 0;
  for (const std::string& given : parsed.args) {
    const Result<std::string> id = engine.find(given);
    const Status status = id ? engine.remove(*id, force, parsed.on("volumes")) : Status(id.error());
    if (status) {
      print(given + "\n");
    } else if (!force || status.error().err != ENOENT) {
      code = fail(parsed, status.error());
    }
  }
  return code;
}

}  // namespace

constinit const Verb kRemove = {.name = "rm",
                                .group = Group::manage,
                                .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                                .summary = "Remove sandboxes",
                                .flags = [] { return FlagTables{kRemoveFlags}; },
                                .minArgs = 1,
                                .maxArgs = kMany,
                                .offer = Offer::sandbox,
                                .run = runRemove};

}  // namespace lightv::cli
