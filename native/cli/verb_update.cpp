#include "cli/create_options.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runUpdate(const Engine& engine, const Parsed& parsed) {
  if (parsed.values.empty())
    return fail(parsed, Error{"nothing to change: give a flag such as --memory, --cpus or --restart"});
  return forEachSandbox(engine, parsed, [&](const std::string& id) -> Status {
    const Result<SandboxInfo> info = engine.info(id);
    if (!info) return info.error();
    // Flags change what the sandbox has; what isn't named stays. --cpus replaces a quota that is there.
    CreateOptions options;
    options.request.spec.limits = info->spec.limits;
    if (parsed.has("cpus")) options.request.spec.limits.cpuQuotaUs.reset();
    if (Status status = applyFlags(parsed, options); !status) return status;
    if (options.unlimitedSwap) options.request.spec.limits.swapMax.reset();
    return engine.update(id, options.request.spec.limits, options.restart);
  });
}

}  // namespace

constinit const Verb kUpdate = {.name = "update",
                                .group = Group::manage,
                                .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                                .summary = "Change budgets and the restart policy of sandboxes, also running ones",
                                .flags = [] { return FlagTables{limitFlags()}; },
                                .minArgs = 1,
                                .maxArgs = kMany,
                                .offer = Offer::sandbox,
                                .run = runUpdate};

}  // namespace lightv::cli
