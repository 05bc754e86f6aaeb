// One inode of an EROFS file system: where it lies, what it says, where its data is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "image/erofs.hpp"

namespace lightv {

constexpr std::uint64_t kErofsBlock = 4096;

Error erofsError(const std::string& what);

struct ErofsSuperblock {
  std::uint64_t rootNid = 0, metaOffset = 0, xattrOffset = 0;
  std::int64_t buildTime = 0;
  std::uint32_t buildTimeNs = 0;
};

/** An inode and its data: whole blocks in one run, then, with the inline layout, a tail behind the inode. */
struct ErofsInode {
  ErofsNode node;
  std::uint64_t dataOffset = 0, dataSize = 0;
  std::uint64_t tailOffset = 0, tailSize = 0;
};

/** Reads inside of the file system only. */
class ErofsReader {
 public:
  ErofsReader(ErofsSource& source, std::uint64_t size) : source_(source), size_(size) {}

  /** Before everything else: refuses file systems with features that this reader lacks. */
  Status open();
  [[nodiscard]] std::uint64_t rootNid() const { return super_.rootNid; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  Result<ErofsInode> inode(std::uint64_t nid);
  /** Bytes of a node's data; the caller stays below node.size. */
  Status data(const ErofsInode& inode, std::uint64_t offset, char* buffer, std::size_t length);

 private:
  Status read(std::uint64_t offset, void* buffer, std::uint64_t length, const char* what);
  Status placeData(ErofsInode& inode, unsigned layout, std::uint32_t block, std::uint64_t behindInode) const;
  Status readXattrs(ErofsNode& node, std::uint64_t offset, std::uint64_t length);
  Status addXattr(ErofsNode& node, std::string_view entry, std::size_t& entryLength) const;

  ErofsSource& source_;
  std::uint64_t size_;
  ErofsSuperblock super_;
};

}  // namespace lightv
