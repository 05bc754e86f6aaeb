#include "cli/create_options.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

/** Only a size: mode and ro are of its making. */
Status setTmpfsSize(CreateOptions& options, std::string_view value) {
  Spec parsed;
  if (Status added = addTmpfs(parsed, value); !added) return added;
  const Mount& mount = parsed.mounts.front();
  if (mount.sizeBytes == 0 || mount != Mount{.kind = mount.kind, .target = mount.target, .sizeBytes = mount.sizeBytes})
    return invalidValue("tmpfs", value, "PATH:size=BYTES, with the path of a tmpfs that it has");
  options.request.spec.mounts.push_back(mount);
  return {};
}

constexpr Flag kUpdateFlags[] = {
    {.name = "tmpfs", .value = "PATH:size=BYTES", .help = "New size of a tmpfs that it has", .apply = setTmpfsSize},
    {.name = "shm-size",
     .value = "BYTES",
     .help = "New size of /dev/shm",
     .apply = [](CreateOptions& o, std::string_view v) { return setShmSize(o.request.spec, v); }},
};

std::vector<TmpfsSize> tmpfsSizesOf(const Parsed& parsed, const Spec& spec) {
  std::vector<TmpfsSize> sizes;
  for (const Mount& mount : spec.mounts) sizes.push_back({mount.target, mount.sizeBytes});
  if (parsed.has("shm-size")) sizes.push_back({"/dev/shm", spec.shmSizeBytes});
  return sizes;
}

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
    change.tmpfsSizes = tmpfsSizesOf(parsed, spec);
    return engine.update(id, change);
  });
}

}  // namespace

constinit const Verb kUpdate = {.name = "update",
                                .group = Group::manage,
                                .usage = "[OPTIONS] SANDBOX [SANDBOX...]",
                                .summary = "Change budgets and the restart policy of sandboxes, also running ones",
                                .flags =
                                    [] {
                                      return FlagTables{limitFlags(), kUpdateFlags};
                                    },
                                .minArgs = 1,
                                .maxArgs = kMany,
                                .offer = Offer::sandbox,
                                .run = runUpdate};

}  // namespace lightv::cli
