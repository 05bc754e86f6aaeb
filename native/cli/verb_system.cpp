#include <unistd.h>

#include "cli/image_removal.hpp"
#include "cli/output.hpp"
#include "cli/service_actions.hpp"
#include "cli/terminal.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kSystemFlags[] = {{.name = "force", .letter = 'f', .help = "Don't ask"}, kIfShuttingDown};

bool confirmed() {
  if (!isTerminal(STDIN_FILENO)) return false;
  print("This removes all sandboxes that don't run, and all images without a name and a sandbox.\nGo on? [y/N] ");
  char answer = 0;
  return ::read(STDIN_FILENO, &answer, 1) == 1 && (answer == 'y' || answer == 'Y');
}

int prune(const Engine& engine, const Parsed& parsed) {
  if (!parsed.on("force") && !confirmed()) {
    return fail(parsed, Error{"nothing was removed", 0, "", "-f removes without asking"});
  }
  const Result<std::vector<SandboxInfo>> infos = engine.list();
  if (!infos) return fail(parsed, infos.error());
  int code = 0;
  for (const SandboxInfo& info : *infos) {
    if (info.status != SandboxStatus::created && info.status != SandboxStatus::exited) continue;
    const Status status = engine.remove(info.spec.id, false, false);
    if (status) print("Removed sandbox: " + info.spec.id + "\n");
    if (!status) code = fail(parsed, status.error());
  }
  const Result<unsigned> swept = engine.sweep();
  if (!swept) return fail(parsed, swept.error());
  if (*swept > 0) print("Removed leftovers: " + std::to_string(*swept) + "\n");
  const Result<std::uint64_t> freed = pruneImages(engine);
  if (!freed) return fail(parsed, freed.error());
  print("Space of images freed: " + decimalSize(*freed) + "\n");
  return code;
}

int runSystem(const Engine& engine, const Parsed& parsed) {
  if (parsed.args[0] == "prune") return prune(engine, parsed);
  if (const ServiceAction* action = findServiceAction(parsed.args[0])) return action->run(engine, parsed);
  return fail(parsed, Error{"there is only \"lightv system prune\", not \"" + parsed.args[0] + "\""}, kEngineFailed);
}

}  // namespace

constinit const Verb kSystem = {.name = "system",
                                .group = Group::other,
                                .usage = "prune [OPTIONS]",
                                .summary = "prune: remove stopped sandboxes, unused images and leftovers",
                                .flags = [] { return FlagTables{kSystemFlags}; },
                                .minArgs = 1,
                                .maxArgs = 1,
                                .run = runSystem};

}  // namespace lightv::cli
