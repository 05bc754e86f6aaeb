#include "image/store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "image/header.hpp"
#include "image/unpacked.hpp"
#include "sys/file.hpp"
#include "sys/hash.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t kLeastPrefix = 12;  // as `docker images` shows them
constexpr std::string_view kFilePrefix = "sha256-", kFileSuffix = ".lv";

// A slash can't stand in a file's name, and the escape sign has to be escaped.
std::string escape(const std::string& name) {
  std::string file;
  for (const char c : name) {
    if (c == '%') {
      file += "%25";
    } else if (c == '/') {
      file += "%2F";
    } else {
      file += c;
    }
  }
  return file;
}

std::string unescape(const std::string& file) {
  std::string name;
  for (std::size_t i = 0; i < file.size(); i++) {
    const std::string_view code = std::string_view(file).substr(i, 3);
    const bool escaped = code == "%25" || code == "%2F";
    name += escaped ? (code == "%25" ? '%' : '/') : file[i];
    if (escaped) i += 2;
  }
  return name;
}

bool isHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// writeFileAtomic's leftovers after a crash look like tags: NAME:TAG.<16 hex>.tmp
bool isTemporary(std::string_view file) {
  constexpr std::size_t tail = 1 + 16 + 4;
  return file.size() > tail && file.substr(file.size() - 4) == ".tmp" && file[file.size() - tail] == '.' &&
         isHex(file.substr(file.size() - tail + 1, 16));
}

bool isPath(std::string_view image) {
  return image.substr(0, 1) == "/" || image.substr(0, 2) == "./" || image.substr(0, 3) == "../" ||
         (image.size() > kFileSuffix.size() && image.substr(image.size() - kFileSuffix.size()) == kFileSuffix);
}

Error notFound(const std::string& image) {
  return Error{"No such image", ENOENT, image, "lightv images lists what is here; lightv import makes one"};
}

Result<std::string> readRef(const std::string& path) {
  Result<std::string> line = readFile(path, 256);
  if (!line) return line;
  const std::string_view digest = trim(*line);
  if (!isDigestText(digest)) return Error{"read image name", 0, path + ": holds no digest", "tag the image again"};
  return std::string(digest);
}

}  // namespace

std::string ImageStore::imagePath(const std::string& digest) const {
  const std::string hex = digest.substr(std::min(digest.size(), digest.find(':') + 1));
  return root_ + "/images/" + std::string(kFilePrefix) + hex + std::string(kFileSuffix);
}

Result<std::vector<std::string>> ImageStore::digests() const {
  const Result<std::vector<std::string>> files = listDir(root_ + "/images");
  if (!files) return files.error().err == ENOENT ? Result(std::vector<std::string>()) : files;
  std::vector<std::string> found;
  for (const std::string& file : *files) {
    if (file.size() <= kFilePrefix.size() + kFileSuffix.size()) continue;
    const std::string digest =
        "sha256:" + file.substr(kFilePrefix.size(), file.size() - kFilePrefix.size() - kFileSuffix.size());
    if (isDigestText(digest) && imagePath(digest) == root_ + "/images/" + file) found.push_back(digest);
  }
  return found;
}

Result<std::vector<ImageRef>> ImageStore::refs() const {
  const Result<std::vector<std::string>> files = listDir(root_ + "/refs");
  if (!files && files.error().err == ENOENT) return std::vector<ImageRef>();
  if (!files) return files.error();
  std::vector<ImageRef> found;
  for (const std::string& file : *files) {
    const std::string name = unescape(file);
    const Result<std::string> normal = normalizeImageName(name);
    if (isTemporary(file) || !normal || *normal != name) continue;
    Result<std::string> digest = readRef(root_ + "/refs/" + file);
    if (!digest && digest.error().err == ENOENT) continue;  // untagged just now
    if (!digest) return digest.error();
    found.push_back({name, *digest});
  }
  return found;
}

Result<ImageInfo> ImageStore::resolve(const std::string& image, std::string& pathOut) const {
  if (isPath(image)) {
    pathOut = image;
    return readImageFile(image);
  }
  const Result<std::string> digest = findDigest(image);
  if (!digest) return digest.error();
  pathOut = imagePath(*digest);
  Result<ImageInfo> info = readImageFile(pathOut);
  if (!info && info.error().err == ENOENT) return notFound(image);
  if (info && info->digest != *digest) return imageError(pathOut + ": digest is " + info->digest + ", not its name's");
  return info;
}

Result<std::string> ImageStore::digestOf(const std::string& image) const {
  if (isPath(image)) return Error{"resolve image", EINVAL, image};
  return findDigest(image);
}

Result<std::string> ImageStore::findDigest(const std::string& image) const {
  if (isDigestText(image)) return image;
  if (image.substr(0, 7) != "sha256:") {
    Result<std::string> name = normalizeImageName(image);
    if (!name) return name;
    Result<std::string> digest = readRef(root_ + "/refs/" + escape(*name));
    if (digest || digest.error().err != ENOENT) return digest;
  }
  const std::string prefix = image.substr(0, 7) == "sha256:" ? image.substr(7) : image;
  if (prefix.size() < kLeastPrefix || !isHex(prefix)) return notFound(image);
  const Result<std::vector<std::string>> all = digests();
  if (!all) return all.error();
  std::string found;
  for (const std::string& digest : *all) {
    if (digest.compare(7, prefix.size(), prefix) != 0) continue;
    if (!found.empty()) return Error{"resolve image", 0, image + " names several images", "give more digits"};
    found = digest;
  }
  return found.empty() ? Result<std::string>(notFound(image)) : Result<std::string>(found);
}

Status ImageStore::tag(const std::string& digest, const std::string& name) const {
  const Result<std::string> normal = normalizeImageName(name);
  if (!normal) return normal.error();
  if (!isDigestText(digest)) return Error{"tag image", EINVAL, digest + ": must be sha256: and 64 hexadecimal digits"};
  if (!exists(imagePath(digest))) return notFound(digest);
  const std::string file = escape(*normal);
  if (file.size() + 21 > NAME_MAX) return Error{"tag image", ENAMETOOLONG, *normal, "choose a shorter name or tag"};
  if (Status made = makeDirs(root_ + "/refs"); !made) return made;
  return writeFileAtomic(root_ + "/refs/" + file, digest + "\n", 0600, Durable::yes);
}

Status ImageStore::untag(const std::string& name) const {
  const Result<std::string> normal = normalizeImageName(name);
  if (!normal) return normal.error();
  const std::string path = root_ + "/refs/" + escape(*normal);
  if (::unlink(path.c_str()) == 0) return syncDir(root_ + "/refs");
  return errno == ENOENT ? notFound(*normal) : Error{"untag image", errno, path};
}

Result<std::vector<std::string>> ImageStore::unpacked() const {
  const Result<std::vector<std::string>> names = listDir(root_ + "/unpacked");
  if (!names) return names.error().err == ENOENT ? Result(std::vector<std::string>()) : names;
  std::vector<std::string> found;
  for (const std::string& name : *names) {
    if (!name.starts_with(kFilePrefix)) continue;
    std::string digest = "sha256:" + name.substr(kFilePrefix.size());
    if (isDigestText(digest)) found.push_back(std::move(digest));
  }
  return found;
}

Status ImageStore::removeUnpacked(const std::string& digest) const {
  return lightv::removeUnpacked(root_ + "/unpacked", digest);
}

Status ImageStore::removeImage(const std::string& digest) const {
  if (!isDigestText(digest)) {
    return Error{"remove image", EINVAL, digest + ": must be sha256: and 64 hexadecimal digits"};
  }
  if (::unlink(imagePath(digest).c_str()) < 0) {
    return errno == ENOENT ? notFound(digest) : Error{"remove image", errno, imagePath(digest)};
  }
  if (Status removed = removeUnpacked(digest); !removed) return removed;
  return syncDir(root_ + "/images");
}

}  // namespace lightv
