// The first 1,024 bytes of a `.lv` file and its manifest, as docs/image-format.md has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.hpp"
#include "sys/result.hpp"

namespace lightv {

constexpr std::size_t kHeaderSize = 1024;
constexpr std::uint64_t kImageBlock = 4096;
constexpr std::uint64_t kMaxManifestBytes = 1U << 20;
constexpr std::uint32_t kMaxChunkBytes = 1U << 20;
constexpr std::size_t kChunkEntrySize = 48;

struct Section {
  std::uint32_t type = 0, flags = 0;
  std::uint64_t offset = 0, length = 0;
  [[nodiscard]] std::uint64_t end() const { return offset + length; }
};

struct Header {
  std::uint64_t fileSize = 0;
  Section erofs, manifest, chunks;
  std::vector<Section> sections;  // all of them, by offset
};

/** What is wrong with an image, as an Error; `what` names the field. */
Error imageError(const std::string& what);

/** Checks every field; after it each section lies inside the file and beside the others. */
Result<Header> parseHeader(std::string_view bytes, std::uint64_t fileSize);
/** Checks the manifest's form and types, and what it says of the other sections. */
Result<ImageInfo> parseManifest(std::string_view bytes, const Header& header);
/** fstat and header of an open image. */
Result<Header> readHeader(int fd);

/** Is it the one text that this document has: sorted keys, no white space, no second key, whole numbers? */
bool isCanonicalJson(std::string_view text);

}  // namespace lightv
