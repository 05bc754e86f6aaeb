#include "cli/image_removal.hpp"

#include <algorithm>

#include "cli/describe.hpp"
#include "cli/output.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

Result<std::vector<std::string>> namesOf(const ImageStore& store, const std::string& digest) {
  const Result<std::vector<ImageRef>> refs = store.refs();
  if (!refs) return refs.error();
  std::vector<std::string> names;
  for (const ImageRef& ref : *refs) {
    if (ref.digest == digest) names.push_back(ref.name);
  }
  return names;
}

Error inUse(const std::string& image, const std::vector<std::string>& users) {
  std::vector<std::string> ids;
  ids.reserve(users.size());
  for (const std::string& id : users) ids.push_back(shortId(id));
  return Error{"image " + image + " is in use by sandbox " + join(ids, ", "), 0, "",
               "lightv rm " + ids.front() + " first"};
}

Status untag(const ImageStore& store, const std::string& name) {
  if (Status status = store.untag(name); !status) return status;
  print("Untagged: " + name + "\n");
  return {};
}

Status removeFile(const ImageStore& store, const std::string& digest) {
  if (Status status = store.removeImage(digest); !status) return status;
  print("Deleted: " + digest + "\n");
  return {};
}

/** All names and the file of an image that was given by its digest. */
Status removeByDigest(const Engine& engine, const std::string& given, const std::string& digest,
                      const std::vector<std::string>& names, bool force) {
  const ImageStore store = engine.images();
  const Result<std::vector<std::string>> users = engine.usersOf(digest);
  if (!users) return users.error();
  if (!users->empty()) return inUse(given, *users);
  if (names.size() > 1 && !force) {
    return Error{"image " + given + " has several names: " + join(names, ", "), 0, "",
                 "remove them one by one, or all with -f"};
  }
  for (const std::string& name : names) {
    if (Status status = untag(store, name); !status) return status;
  }
  return removeFile(store, digest);
}

}  // namespace

Status removeImageByName(const Engine& engine, const std::string& given, bool force) {
  const ImageStore store = engine.images();
  const Result<Fd> lock = engine.lockImages(true);
  if (!lock) return lock.error();
  std::string path;
  const Result<ImageInfo> image = store.resolve(given, path);
  if (!image) return image.error();
  if (path != store.imagePath(image->digest))
    return Error{given + " is a file, not an image of the store", 0, "", "rm removes files"};
  const Result<std::vector<std::string>> names = namesOf(store, image->digest);
  if (!names) return names.error();
  const Result<std::string> wanted = normalizeImageName(given);
  const bool byName = wanted && std::find(names->begin(), names->end(), *wanted) != names->end();
  if (!byName) return removeByDigest(engine, given, image->digest, *names, force);
  if (names->size() > 1) return untag(store, *wanted);
  const Result<std::vector<std::string>> users = engine.usersOf(image->digest);
  if (!users) return users.error();
  if (!users->empty() && !force) {
    Error error = inUse(*wanted, *users);
    error.hint += ", or take only the name away with -f";
    return error;
  }
  if (Status status = untag(store, *wanted); !status) return status;
  return users->empty() ? removeFile(store, image->digest) : Status();
}

namespace {

/** Of images that were run from a file, or whose removal was cut short. */
Status pruneUnpacked(const Engine& engine) {
  const ImageStore store = engine.images();
  const Result<std::vector<std::string>> digests = store.unpacked();
  if (!digests) return digests.error();
  for (const std::string& digest : *digests) {
    const Result<std::vector<std::string>> users = engine.usersOf(digest);
    if (!users) return users.error();
    if (!users->empty() || exists(store.imagePath(digest))) continue;
    if (Status removed = store.removeUnpacked(digest); !removed) return removed;
    print("Deleted the unpacked tree of " + digest + "\n");
  }
  return {};
}

}  // namespace

Result<std::uint64_t> pruneImages(const Engine& engine) {
  const ImageStore store = engine.images();
  const Result<Fd> lock = engine.lockImages(true);
  if (!lock) return lock.error();
  const Result<std::vector<std::string>> digests = store.digests();
  if (!digests) return digests.error();
  std::uint64_t freed = 0;
  for (const std::string& digest : *digests) {
    const Result<std::vector<std::string>> names = namesOf(store, digest);
    if (!names) return names.error();
    const Result<std::vector<std::string>> users = engine.usersOf(digest);
    if (!users) return users.error();
    if (!names->empty() || !users->empty()) continue;
    const Result<ImageInfo> image = readImageFile(store.imagePath(digest));
    if (Status status = removeFile(store, digest); !status) return status.error();
    if (image) freed += image->fileSize;
  }
  if (Status pruned = pruneUnpacked(engine); !pruned) return pruned.error();
  return freed;
}

}  // namespace lightv::cli
