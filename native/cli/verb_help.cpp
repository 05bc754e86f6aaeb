#include "cli/delegate.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runHelp(const Engine& engine, const Parsed& parsed) {
  if (parsed.args.empty()) {
    print(overallHelp());
    return 0;
  }
  if (const DelegatedVerb* delegated = findDelegated(parsed.args[0])) {
    std::string flag = "--help";
    char* argument = flag.data();
    return runDelegated(*delegated, engine.paths(), {&argument, 1});
  }
  const Verb* verb = findVerb(parsed.args[0]);
  if (verb == nullptr)
    return fail(parsed, Error{"no verb \"" + parsed.args[0] + "\"", 0, "", "lightv --help lists them"});
  print(verbHelp(*verb));
  return 0;
}

}  // namespace

constinit const Verb kHelp = {.name = "help",
                              .group = Group::other,
                              .usage = "[VERB]",
                              .summary = "Show help on a verb",
                              .maxArgs = 1,
                              .offer = Offer::verb,
                              .run = runHelp};

}  // namespace lightv::cli
