#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

int runTag(const Engine& engine, const Parsed& parsed) {
  const ImageStore store = engine.images();
  // No image may vanish between finding it and naming it.
  const Result<Fd> lock = engine.lockImages(false);
  if (!lock) return fail(parsed, lock.error());
  std::string path;
  const Result<ImageInfo> image = store.resolve(parsed.args[0], path);
  if (!image) return fail(parsed, image.error());
  if (path != store.imagePath(image->digest)) {
    return fail(parsed, Error{parsed.args[0] + " is a file, not an image of the store: only those have names"});
  }
  const Result<std::string> name = normalizeImageName(parsed.args[1]);
  if (!name) return fail(parsed, name.error());
  const Status status = store.tag(image->digest, *name);
  return status ? 0 : fail(parsed, status.error());
}

}  // namespace

constinit const Verb kTag = {.name = "tag",
                             .group = Group::image,
                             .usage = "IMAGE NAME[:TAG]",
                             .summary = "Give an image one more name",
                             .minArgs = 2,
                             .maxArgs = 2,
                             .offer = Offer::image,
                             .run = runTag};

}  // namespace lightv::cli
