#include <sys/utsname.h>

#include "cli/create_options.hpp"
#include "cli/listing.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "core/launch.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/merge.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kPlanFlags[] = {
    {.name = "format",
     .value = "FORMAT",
     .help = "table, json, or a template such as '{{.Op}}'",
     .words = "table json"},
};

constexpr Column kColumns[] = {{"Op", "OPERATION"}, {"Detail", "DETAIL"}};

/** The Spec that create() would write, with an id of zeros. */
Result<Spec> plannedSpec(const Engine& engine, const CreateRequest& request) {
  std::string path;
  const Result<ImageInfo> image = engine.images().resolve(request.image, path);
  if (!image) return image.error();
  utsname machine{};
  (void)::uname(&machine);
  constexpr std::size_t idLength = 16;
  MergeContext context{.id = std::string(idLength, '0'),
                       .created = timeNow(),
                       .root = engine.paths().root,
                       .hostHostname = machine.nodename,
                       .cgroupParent = defaultCgroupParent(engine.paths()),
                       .rootless = engine.paths().rootless};
  context.freshVolumes.resize(countAnonymousVolumes(request, image->config), std::string(idLength, '0'));
  Result<Spec> spec = mergeImage(request, *image, context);
  if (spec) spec->imagePath = path;
  return spec;
}

int runPlan(const Engine& engine, const Parsed& parsed) {
  const Result<CreateOptions> options = createOptions(parsed);
  if (!options) return fail(parsed, options.error(), kEngineFailed);
  const Result<Spec> spec = plannedSpec(engine, options->request);
  if (!spec) return fail(parsed, spec.error(), kEngineFailed);
  std::vector<Row> rows;
  for (const PlanLine& line : plan(*spec)) rows.push_back({line.op, line.detail});
  const Result<std::string> text = renderListing(kColumns, rows, parsed.text("format"));
  if (!text) return fail(parsed, text.error());
  print(*text);
  return 0;
}

}  // namespace

constinit const Verb kPlan = {.name = "plan",
                              .group = Group::other,
                              .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
                              .summary = "Show what run would do, step by step, and do nothing",
                              .flags =
                                  [] {
                                    return FlagTables{kPlanFlags, createFlags(), limitFlags()};
                                  },
                              .minArgs = 1,
                              .maxArgs = kMany,
                              .offer = Offer::image,
                              .commandFollows = true,
                              .run = runPlan};

}  // namespace lightv::cli
