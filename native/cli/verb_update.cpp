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
    Spec& spec = options.request.spec;
    spec.limits = info->spec.limits;
    spec.log = info->spec.log;
    spec.rlimits = info->spec.rlimits;
    spec.storageSizeBytes = info->spec.storageSizeBytes;
    if (parsed.has("cpus")) spec.limits.cpuQuotaUs.reset();
    if (Status status = applyFlags(parsed, options); !status) return status;
    if (options.unlimitedSwap) spec.limits.swapMax.reset();
    SandboxChange change{.limits = spec.limits, .restart = options.restart};
    if (parsed.has("log-opt")) change.log = spec.log;
    if (parsed.has("ulimit")) change.rlimits = spec.rlimits;
    if (parsed.has("storage-opt")) change.storageSizeBytes = spec.storageSizeBytes;
    return engine.update(id, change);
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
