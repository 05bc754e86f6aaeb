#include "cli/image_removal.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kRemoveImageFlags[] = {
    {.name = "force", .letter = 'f', .help = "Take the name from an image in use too; all names of a digest"},
};

int runRemoveImage(const Engine& engine, const Parsed& parsed) {
  int code = 0;
  for (const std::string& image : parsed.args) {
    if (const Status status = removeImageByName(engine, image, parsed.on("force")); !status)
      code = fail(parsed, status.error());
  }
  return code;
}

}  // namespace

constinit const Verb kRemoveImage = {.name = "rmi",
                                     .group = Group::image,
                                     .usage = "[OPTIONS] IMAGE [IMAGE...]",
                                     .summary = "Remove images",
                                     .flags = [] { return FlagTables{kRemoveImageFlags}; },
                                     .minArgs = 1,
                                     .maxArgs = kMany,
                                     .offer = Offer::image,
                                     .run = runRemoveImage};

}  // namespace lightv::cli
