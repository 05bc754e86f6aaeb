// The image store's directory (docs/sandbox.md): names to digests, digests to files. No state in memory, no locks held.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/image.hpp"
#include "sys/result.hpp"

namespace lightv {

/** NAME[:TAG] with the tag filled in ("latest"), Docker's rules for characters and length. */
Result<std::string> normalizeImageName(std::string_view name);

struct ImageRef {
  std::string name;    // NAME:TAG
  std::string digest;  // sha256:<hex>
};

class ImageStore {
 public:
  explicit ImageStore(std::string root) : root_(std::move(root)) {}

  /** A name, sha256:<hex>, a unique prefix of the hex (12 or more), or the path of a .lv file ("./x.lv", "/x.lv", or
   * ends in ".lv"). */
  [[nodiscard]] Result<ImageInfo> resolve(const std::string& image, std::string& pathOut) const;
  /** The digest that resolve() would find, without a look into the image; EINVAL for the path of a file. */
  [[nodiscard]] Result<std::string> digestOf(const std::string& image) const;
  [[nodiscard]] Result<std::vector<ImageRef>> refs() const;
  /** Digests of all images, named or not. */
  [[nodiscard]] Result<std::vector<std::string>> digests() const;
  [[nodiscard]] std::string imagePath(const std::string& digest) const;
  /** Points NAME at a digest that is in the store; atomic, replaces. */
  [[nodiscard]] Status tag(const std::string& digest, const std::string& name) const;
  [[nodiscard]] Status untag(const std::string& name) const;
  /** Digests of which there is an unpacked tree. */
  [[nodiscard]] Result<std::vector<std::string>> unpacked() const;
  /** Removes the unpacked tree of a digest alone; missing is fine. The caller has made sure that nobody uses it. */
  [[nodiscard]] Status removeUnpacked(const std::string& digest) const;
  /** Removes the file of a digest. The caller has made sure that no name and no sandbox wants it. */
  [[nodiscard]] Status removeImage(const std::string& digest) const;

 private:
  [[nodiscard]] Result<std::string> findDigest(const std::string& image) const;

  std::string root_;
};

}  // namespace lightv
