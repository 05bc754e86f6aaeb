#include <algorithm>

#include "cli/describe.hpp"
#include "cli/listing.hpp"
#include "cli/output.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kImagesFlags[] = {
    {.name = "quiet", .letter = 'q', .help = "Only ids"},
    {.name = "no-trunc", .help = "Ids in full"},
    {.name = "digests", .help = "Show digests too"},
    {.name = "format",
     .value = "FORMAT",
     .help = "table, json, or a template such as '{{.Repository}}:{{.Tag}}'",
     .words = "table json"},
};

constexpr Column kColumns[] = {{"Repository", "REPOSITORY"},
                               {"Tag", "TAG"},
                               {"Digest", "DIGEST", false},
                               {"ID", "IMAGE ID"},
                               {"CreatedSince", "CREATED"},
                               {"CreatedAt", "CREATED AT", false},
                               {"Size", "SIZE"},
                               {"Bytes", "BYTES", false}};
constexpr const char* kWithDigests =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
constexpr const char* kNone = "<none>";

struct Listed {
  ImageRef ref;  // without a name: only by its digest
  ImageInfo info;
};

/** One entry a name, and one for each image without. What can't be read is told and left out. */
Result<std::vector<Listed>> listImages(const Engine& engine, const Parsed& parsed, int& code) {
  const ImageStore store = engine.images();
  Result<std::vector<ImageRef>> refs = store.refs();
  if (!refs) return refs.error();
  const Result<std::vector<std::string>> digests = store.digests();
  if (!digests) return digests.error();
  for (const std::string& digest : *digests) {
    const bool named =
        std::any_of(refs->begin(), refs->end(), [&](const ImageRef& ref) { return ref.digest == digest; });
    if (!named) refs->push_back({.name = "", .digest = digest});
  }
  std::vector<Listed> list;
  for (ImageRef& ref : *refs) {
    Result<ImageInfo> info = readImageFile(store.imagePath(ref.digest));
    if (info) {
      list.push_back({std::move(ref), std::move(*info)});
    } else {
      code = fail(parsed, info.error());
    }
  }
  return list;
}

bool isWanted(const Listed& image, const std::vector<std::string>& args) {
  if (args.empty()) return true;
  const std::string& name = image.ref.name;
  return name == args[0] || name.substr(0, name.rfind(':')) == args[0];
}

Row rowOf(const Listed& image, bool full, std::int64_t now) {
  const std::string& name = image.ref.name;
  const std::size_t colon = name.rfind(':');
  return {name.empty() ? kNone : name.substr(0, colon),
          name.empty() ? kNone : name.substr(colon + 1),
          image.ref.digest,
          full ? image.ref.digest : shortId(image.ref.digest),
          ago(image.info.created, now),
          image.info.created,
          decimalSize(image.info.fileSize),
          std::to_string(image.info.fileSize)};
}

int runImages(const Engine& engine, const Parsed& parsed) {
  int code = 0;
  Result<std::vector<Listed>> list = listImages(engine, parsed, code);
  if (!list) return fail(parsed, list.error());
  std::sort(list->begin(), list->end(), [](const Listed& one, const Listed& other) {
    return one.info.created != other.info.created ? one.info.created > other.info.created
                                                  : one.ref.name < other.ref.name;
  });
  std::vector<Row> rows;
  const std::int64_t now = wallNow().seconds;
  for (const Listed& image : *list) {
    if (isWanted(image, parsed.args)) rows.push_back(rowOf(image, parsed.on("no-trunc"), now));
  }
  std::string format = parsed.text("format");
  if (format.empty() && parsed.on("digests")) format = kWithDigests;
  if (parsed.on("quiet") && !parsed.has("format")) {
    format = "{{.ID}}";
    // An image with several names is one image.
    constexpr std::size_t digest = 2;
    const auto same = [](const Row& one, const Row& other) { return one[digest] == other[digest]; };
    rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  }
  const Result<std::string> text = renderListing(kColumns, rows, format);
  if (!text) return fail(parsed, text.error());
  print(*text);
  return code;
}

}  // namespace

constinit const Verb kImages = {.name = "images",
                                .group = Group::image,
                                .usage = "[OPTIONS] [NAME[:TAG]]",
                                .summary = "List images",
                                .flags = [] { return FlagTables{kImagesFlags}; },
                                .maxArgs = 1,
                                .offer = Offer::image,
                                .run = runImages};

}  // namespace lightv::cli
