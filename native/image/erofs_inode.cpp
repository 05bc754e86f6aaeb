#include "image/erofs_inode.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "image/bytes.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t kSuperOffset = 1024, kSuperSize = 128;
constexpr std::uint32_t kMagic = 0xE0F5E1E2;
constexpr std::size_t kCompactSize = 32, kExtendedSize = 64, kSlot = 32;
constexpr unsigned kFlatPlain = 0, kFlatInline = 2;
constexpr std::size_t kXattrHeaderSize = 12, kXattrEntrySize = 4;

// e_name_index; 5 is Lustre's, which nobody writes.
constexpr std::array<std::string_view, 7> kPrefixes = {
    "", "user.", "system.posix_acl_access", "system.posix_acl_default", "trusted.", "", "security."};

bool isDevice(std::uint32_t mode) {
  return S_ISCHR(mode) || S_ISBLK(mode);
}

// new_decode_dev() of include/linux/kdev_t.h
void setDevice(ErofsNode& node, std::uint32_t number) {
  node.deviceMajor = (number & 0xFFF00U) >> 8;
  node.deviceMinor = (number & 0xFFU) | ((number >> 12) & 0xFFF00U);
}

}  // namespace

Error erofsError(const std::string& what) {
  return Error{"read EROFS", 0, what, "the file system is damaged or not plain EROFS: build the image again"};
}

Status ErofsReader::read(std::uint64_t offset, void* buffer, std::uint64_t length, const char* what) {
  if (!isInside(offset, length, size_)) return erofsError(std::string(what) + " lies outside of the file system");
  return source_.read(offset, buffer, length);
}

Status ErofsReader::open() {
  char bytes[kSuperSize];
  if (Status got = read(kSuperOffset, bytes, sizeof bytes, "superblock"); !got) return got;
  const std::string_view super(bytes, sizeof bytes);
  if (loadLe<std::uint32_t>(super, 0) != kMagic) return erofsError("superblock: magic is not that of EROFS");
  if (super[12] != 12) return erofsError("superblock: blocks are not of 4096 bytes");
  if (loadLe<std::uint32_t>(super, 80) != 0 || loadLe<std::uint16_t>(super, 86) != 0 || super[90] != 0) {
    return erofsError("superblock: has features beyond the plain layouts (compression, chunks, devices)");
  }
  super_.rootNid = loadLe<std::uint16_t>(super, 14);
  super_.buildTime = loadLe<std::int64_t>(super, 24);
  super_.buildTimeNs = loadLe<std::uint32_t>(super, 32);
  super_.metaOffset = loadLe<std::uint32_t>(super, 40) * kErofsBlock;
  super_.xattrOffset = loadLe<std::uint32_t>(super, 44) * kErofsBlock;
  return {};
}

Result<ErofsInode> ErofsReader::inode(std::uint64_t nid) {
  // Below size_ / 32 the product can't wrap; the sum is checked by read().
  if (nid > size_ / kSlot) return erofsError("inode " + std::to_string(nid) + " lies outside of the file system");
  const std::uint64_t offset = super_.metaOffset + nid * kSlot;
  char bytes[kExtendedSize] = {};
  if (Status got = read(offset, bytes, kCompactSize, "inode"); !got) return got.error();
  const std::string_view raw(bytes, sizeof bytes);
  const auto format = loadLe<std::uint16_t>(raw, 0);
  const bool extended = (format & 1) != 0;
  const std::uint64_t inodeSize = extended ? kExtendedSize : kCompactSize;
  if (extended) {
    if (Status got = read(offset, bytes, kExtendedSize, "inode"); !got) return got.error();
  }
  ErofsInode inode;
  ErofsNode& node = inode.node;
  node.nid = nid;
  node.mode = loadLe<std::uint16_t>(raw, 4);
  node.size = extended ? loadLe<std::uint64_t>(raw, 8) : loadLe<std::uint32_t>(raw, 8);
  node.uid = extended ? loadLe<std::uint32_t>(raw, 24) : loadLe<std::uint16_t>(raw, 24);
  node.gid = extended ? loadLe<std::uint32_t>(raw, 28) : loadLe<std::uint16_t>(raw, 26);
  node.links = extended ? loadLe<std::uint32_t>(raw, 44) : loadLe<std::uint16_t>(raw, 6);
  node.mtime = extended ? loadLe<std::int64_t>(raw, 32) : super_.buildTime;
  node.mtimeNs = extended ? loadLe<std::uint32_t>(raw, 40) : super_.buildTimeNs;
  if (node.mtimeNs >= 1'000'000'000) return erofsError("inode " + std::to_string(nid) + ": time is out of range");
  const auto place = loadLe<std::uint32_t>(raw, 16);
  if (isDevice(node.mode)) setDevice(node, place);

  const auto xattrCount = loadLe<std::uint16_t>(raw, 2);
  const std::uint64_t xattrSize = xattrCount == 0 ? 0 : kXattrHeaderSize + (xattrCount - 1) * kXattrEntrySize;
  if (Status placed = placeData(inode, format >> 1, place, offset + inodeSize + xattrSize); !placed) {
    return placed.error();
  }
  if (Status got = readXattrs(node, offset + inodeSize, xattrSize); !got) return got.error();
  return inode;
}

Status ErofsReader::placeData(ErofsInode& inode, unsigned layout, std::uint32_t block,
                              std::uint64_t behindInode) const {
  const ErofsNode& node = inode.node;
  const std::string name = "inode " + std::to_string(node.nid);
  if (layout != kFlatPlain && layout != kFlatInline) return erofsError(name + ": is not stored plainly");
  if (!S_ISREG(node.mode) && !S_ISDIR(node.mode) && !S_ISLNK(node.mode)) {
    return node.size == 0 ? Status() : erofsError(name + ": a device, FIFO or socket has data");
  }
  if (node.size == 0) return {};
  inode.dataOffset = block * kErofsBlock;
  inode.dataSize = layout == kFlatPlain ? node.size : (node.size - 1) / kErofsBlock * kErofsBlock;
  inode.tailOffset = behindInode;
  inode.tailSize = node.size - inode.dataSize;
  if (inode.dataSize > 0 && !isInside(inode.dataOffset, inode.dataSize, size_)) {
    return erofsError(name + ": data lies outside of the file system");
  }
  if (inode.tailSize > 0 && (!isInside(inode.tailOffset, inode.tailSize, size_) ||
                             inode.tailOffset % kErofsBlock + inode.tailSize > kErofsBlock)) {
    return erofsError(name + ": inline data goes beyond its block");
  }
  return {};
}

Status ErofsReader::data(const ErofsInode& inode, std::uint64_t offset, char* buffer, std::size_t length) {
  if (offset < inode.dataSize) {
    const std::size_t piece = std::min<std::uint64_t>(length, inode.dataSize - offset);
    if (Status got = read(inode.dataOffset + offset, buffer, piece, "data"); !got) return got;
    offset += piece;
    buffer += piece;
    length -= piece;
  }
  if (length == 0) return {};
  return read(inode.tailOffset + (offset - inode.dataSize), buffer, length, "inline data");
}

Status ErofsReader::readXattrs(ErofsNode& node, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  std::string bytes(length, '\0');  // at most 256 KiB
  if (Status got = read(offset, bytes.data(), length, "extended attributes"); !got) return got;
  const auto shared = static_cast<unsigned char>(bytes[4]);
  std::size_t at = kXattrHeaderSize;
  if (shared * kXattrEntrySize > length - at) return erofsError("extended attributes: too many shared ones");
  for (unsigned i = 0; i < shared; i++, at += kXattrEntrySize) {
    // A shared one is an entry like any other, whose end is known only when its head is read.
    const std::uint64_t entryAt = super_.xattrOffset + loadLe<std::uint32_t>(bytes, at) * std::uint64_t{4};
    char head[kXattrEntrySize];
    if (Status got = read(entryAt, head, sizeof head, "shared extended attribute"); !got) return got;
    std::string entry(kXattrEntrySize + static_cast<unsigned char>(head[0]) +
                          loadLe<std::uint16_t>(std::string_view(head, sizeof head), 2),
                      '\0');
    if (Status got = read(entryAt, entry.data(), entry.size(), "shared extended attribute"); !got) return got;
    std::size_t ignored = 0;
    if (Status added = addXattr(node, entry, ignored); !added) return added;
  }
  while (length - at >= kXattrEntrySize) {
    std::size_t entryLength = 0;
    if (Status added = addXattr(node, std::string_view(bytes).substr(at), entryLength); !added) return added;
    at = std::min<std::size_t>(length, at + (entryLength + 3) / 4 * 4);
  }
  return {};
}

Status ErofsReader::addXattr(ErofsNode& node, std::string_view entry, std::size_t& entryLength) const {
  const std::size_t nameLength = static_cast<unsigned char>(entry[0]);
  const std::size_t prefix = static_cast<unsigned char>(entry[1]);
  const std::size_t valueLength = loadLe<std::uint16_t>(entry, 2);
  entryLength = kXattrEntrySize + nameLength + valueLength;
  const std::string name = "inode " + std::to_string(node.nid) + ": extended attribute";
  if (entryLength > entry.size()) return erofsError(name + " goes beyond its inode");
  if (prefix >= kPrefixes.size() || kPrefixes[prefix].empty()) return erofsError(name + " has an unknown prefix");
  const std::string_view suffix = entry.substr(kXattrEntrySize, nameLength);
  if (suffix.find('\0') != std::string_view::npos) return erofsError(name + " has a NUL in its name");
  node.xattrs.emplace_back(std::string(kPrefixes[prefix]) + std::string(suffix),
                           entry.substr(kXattrEntrySize + nameLength, valueLength));
  return {};
}

}  // namespace lightv
