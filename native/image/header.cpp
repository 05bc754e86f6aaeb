#include "image/header.hpp"

#include <algorithm>
#include <array>

#include "image/bytes.hpp"
#include "sys/hash.hpp"

namespace lightv {
namespace {

constexpr std::string_view kMagic("\x89LV\r\n\x1a\n\0", 8);
constexpr std::size_t kSectionsAt = 32, kSectionSize = 32, kMaxSections = 16;
constexpr std::size_t kZerosAt = kSectionsAt + kMaxSections * kSectionSize;
constexpr std::size_t kCrcAt = kHeaderSize - 4;
constexpr std::uint32_t kOptional = 1;

enum SectionType : std::uint32_t { kErofs = 1, kManifest = 2, kChunkTable = 3 };

bool isZero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

std::string text(std::uint64_t number) {
  return std::to_string(number);
}

// What needs no section: whether this is an image of ours at all, whole, and of a version that we know.
Status checkFixedFields(std::string_view bytes, std::uint64_t fileSize) {
  if (bytes.size() != kHeaderSize)
    return imageError("header: the file is shorter than " + text(kHeaderSize) + " bytes");
  if (bytes.substr(0, kMagic.size()) != kMagic) return imageError("header: magic is not that of a .lv file");
  if (const auto major = loadLe<std::uint16_t>(bytes, 8); major != 1) {
    return Error{"read image", 0, "header: version " + text(major) + " is unknown", "use a newer lightv"};
  }
  if (loadLe<std::uint32_t>(bytes, kCrcAt) != crc32c(bytes.substr(0, kCrcAt))) {
    return imageError("header: CRC-32C does not match");
  }
  if (loadLe<std::uint32_t>(bytes, 12) != kHeaderSize) return imageError("header: header size is not 1024");
  if (loadLe<std::uint32_t>(bytes, 16) != 0) {
    return Error{"read image", 0, "header: flags has unknown bits", "use a newer lightv"};
  }
  if (const auto size = loadLe<std::uint64_t>(bytes, 24); size != fileSize) {
    return imageError("header: file size is " + text(size) + " but the file has " + text(fileSize) + " bytes");
  }
  if (fileSize % kImageBlock != 0) return imageError("header: file size is not a multiple of 4096");
  if (!isZero(bytes.substr(kZerosAt, kCrcAt - kZerosAt))) return imageError("header: reserved bytes are not zero");
  return {};
}

Result<Section> parseSection(std::string_view bytes, std::size_t index, std::uint64_t fileSize) {
  const std::string name = "section " + text(index);
  const std::string_view entry = bytes.substr(kSectionsAt + index * kSectionSize, kSectionSize);
  const Section section{loadLe<std::uint32_t>(entry, 0), loadLe<std::uint32_t>(entry, 4),
                        loadLe<std::uint64_t>(entry, 8), loadLe<std::uint64_t>(entry, 16)};
  if (section.type == 0) return imageError(name + ": type is zero");
  if ((section.flags & ~kOptional) != 0 || loadLe<std::uint64_t>(entry, 24) != 0) {
    return imageError(name + ": reserved bits are not zero");
  }
  if (section.length == 0) return imageError(name + ": length is zero");
  if (!isInside(section.offset, section.length, fileSize)) return imageError(name + ": lies outside of the file");
  if (section.type != kErofs && section.offset < kImageBlock) return imageError(name + ": offset is below 4096");
  return section;
}

// The known section that has this type; null for one to be skipped.
Result<Section*> placeFor(Header& header, const Section& section) {
  Section* place = nullptr;
  if (section.type == kErofs) place = &header.erofs;
  if (section.type == kManifest) place = &header.manifest;
  if (section.type == kChunkTable) place = &header.chunks;
  if (place == nullptr && (section.flags & kOptional) == 0) {
    return Error{"read image", 0, "section type " + text(section.type) + " is unknown", "use a newer lightv"};
  }
  if (place != nullptr && place->type != 0) return imageError("section type " + text(section.type) + " is there twice");
  return place;
}

Status parseSections(std::string_view bytes, Header& header) {
  const auto count = loadLe<std::uint32_t>(bytes, 20);
  if (count < 1 || count > kMaxSections) return imageError("header: section count is not 1 to 16");
  const std::size_t unusedAt = kSectionsAt + count * kSectionSize;
  if (!isZero(bytes.substr(unusedAt, kZerosAt - unusedAt))) return imageError("header: unused sections are not zero");
  for (std::size_t i = 0; i < count; i++) {
    const Result<Section> section = parseSection(bytes, i, header.fileSize);
    if (!section) return section.error();
    const Result<Section*> place = placeFor(header, *section);
    if (!place) return place.error();
    if (*place != nullptr) **place = *section;
    header.sections.push_back(*section);
  }
  std::sort(header.sections.begin(), header.sections.end(),
            [](const Section& a, const Section& b) { return a.offset < b.offset; });
  for (std::size_t i = 1; i < header.sections.size(); i++) {
    if (header.sections[i].offset < header.sections[i - 1].end()) {
      return imageError("sections overlap at " + text(header.sections[i].offset));
    }
  }
  return {};
}

Status checkKnownSections(const Header& header) {
  if (header.erofs.type == 0) return imageError("EROFS section is missing");
  if (header.manifest.type == 0) return imageError("manifest section is missing");
  if (header.chunks.type == 0) return imageError("chunk table section is missing");
  if (header.erofs.offset != 0) return imageError("EROFS section: offset is not 0");
  if (header.erofs.length % kImageBlock != 0) return imageError("EROFS section: length is not a multiple of 4096");
  if (header.manifest.length > kMaxManifestBytes) return imageError("manifest section: longer than 1 MiB");
  if (header.chunks.offset % 8 != 0) return imageError("chunk table section: offset is not a multiple of 8");
  if (header.chunks.length % kChunkEntrySize != 0)
    return imageError("chunk table section: length is not whole entries");
  // Every entry covers 1 byte to 1 MiB: a count that can't cover the file system, or covers too much, needs no reading.
  const std::uint64_t covered = header.erofs.length - kHeaderSize;
  const std::uint64_t count = header.chunks.length / kChunkEntrySize;
  if (count > covered || count < (covered + kMaxChunkBytes - 1) / kMaxChunkBytes) {
    return imageError("chunk table section: " + text(count) + " chunks can't cover " + text(covered) + " bytes");
  }
  return {};
}

}  // namespace

Error imageError(const std::string& what) {
  return Error{"read image", 0, what, "the file is damaged or no .lv image: fetch or build it again"};
}

Result<Header> parseHeader(std::string_view bytes, std::uint64_t fileSize) {
  if (Status fixed = checkFixedFields(bytes, fileSize); !fixed) return fixed.error();
  Header header;
  header.fileSize = fileSize;
  if (Status sections = parseSections(bytes, header); !sections) return sections.error();
  if (Status known = checkKnownSections(header); !known) return known.error();
  return header;
}

}  // namespace lightv
