#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "engine/cgroup_parent.hpp"
#include "pool/keeper.hpp"
#include "sys/notify.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kRuntimeFlags[] = {
    {.name = "warm", .value = "IMAGE=N", .help = "serve: keep so many of an image ready"},
    {.name = "cgroup-parent", .value = "PATH", .help = "serve: where their cgroups go"},
};

int serve(const Engine& engine, const Parsed& parsed) {
  KeeperOptions options{.cgroupParent = parsed.text("cgroup-parent", defaultCgroupParent(engine.paths()))};
  for (const std::string& text : parsed.all("warm")) {
    const std::size_t equals = text.rfind('=');
    const auto count =
        parseInteger<unsigned>(std::string_view(text).substr(equals == std::string::npos ? 0 : equals + 1));
    if (equals == std::string::npos || !count) return fail(parsed, Error{"--warm takes IMAGE=N"}, kEngineFailed);
    options.warm.emplace_back(text.substr(0, equals), *count);
  }
  Keeper keeper(engine, std::move(options));
  if (Status opened = keeper.open(); !opened) return fail(parsed, opened.error());
  (void)notifyService("READY=1");
  const Status served = keeper.serve();
  return served ? 0 : fail(parsed, served.error());
}

int runRuntime(const Engine& engine, const Parsed& parsed) {
  if (parsed.args[0] == "serve") return serve(engine, parsed);
  return fail(parsed, Error{"\"" + parsed.args[0] + "\" is not one of serve, status and resize"}, kEngineFailed);
}

}  // namespace

constinit const Verb kRuntime = {.name = "runtime",
                                 .group = Group::other,
                                 .usage = "serve|status|resize [OPTIONS]",
                                 .summary = "Sandboxes that are prepared ahead: keep them ready, look at them",
                                 .flags = [] { return FlagTables{kRuntimeFlags}; },
                                 .minArgs = 1,
                                 .maxArgs = 2,
                                 .run = runRuntime};

}  // namespace lightv::cli
