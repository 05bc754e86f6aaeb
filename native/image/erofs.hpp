// A reader of plain EROFS (Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h) for kernels that have none. It
// knows the flat layouts with and without inline tails, and refuses everything else. Pure: bytes come from a source,
// the tree goes to a visitor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

/** Where the bytes come from. */
class ErofsSource {
 public:
  virtual ~ErofsSource() = default;
  /** All `size` bytes; the reader asks only for what lies inside of the file system. */
  virtual Status read(std::uint64_t offset, void* buffer, std::size_t size) = 0;
};

struct ErofsNode {
  std::uint64_t nid = 0;  // where the inode lies, and so which one it is
  std::uint32_t mode = 0, uid = 0, gid = 0, links = 0;
  std::uint32_t deviceMajor = 0, deviceMinor = 0;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtimeNs = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  // full names
};

/** What walkErofs() finds, parents first. An error that it returns ends the walk. */
class ErofsVisitor {
 public:
  virtual ~ErofsVisitor() = default;
  /** The root's name is empty; of others: 1 to 255 bytes, no slash, no NUL, neither "." nor "..". */
  virtual Status beginDirectory(std::string_view name, const ErofsNode& node) = 0;
  virtual Status endDirectory(const ErofsNode& node) = 0;
  virtual Status beginFile(std::string_view name, const ErofsNode& node) = 0;
  virtual Status fileData(std::string_view piece) = 0;
  virtual Status endFile(const ErofsNode& node) = 0;
  virtual Status symbolicLink(std::string_view name, const ErofsNode& node, const std::string& target) = 0;
  /** Block and character devices, FIFOs, sockets. */
  virtual Status special(std::string_view name, const ErofsNode& node) = 0;
  /** One more name of a node that is not a directory and was visited before. */
  virtual Status hardLink(std::string_view name, const ErofsNode& node) = 0;
};

/**
 * Walks the tree of a file system of `size` bytes. Ends for every input: each directory is entered once, depth is at
 * most kMaxErofsDepth, and names and data together are bounded by multiples of `size`.
 */
Status walkErofs(ErofsSource& source, std::uint64_t size, ErofsVisitor& visitor);

constexpr unsigned kMaxErofsDepth = 200;

}  // namespace lightv
