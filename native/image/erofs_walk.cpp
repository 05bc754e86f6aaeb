#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "image/bytes.hpp"
#include "image/erofs_inode.hpp"

namespace lightv {
namespace {

constexpr std::size_t kDirentSize = 12, kMaxName = 255, kMaxTarget = 4095;
constexpr std::size_t kBufferBytes = 128U << 10;
// Files may share blocks, but not so often that a small image fills a disk.
constexpr std::uint64_t kMaxDataFactor = 8;

struct Dirent {
  std::uint64_t nid = 0;
  std::string_view name;
};

bool isDots(std::string_view name) {
  return name == "." || name == "..";
}

class Walker {
 public:
  Walker(ErofsReader& reader, ErofsVisitor& visitor) : reader_(reader), visitor_(visitor) {}

  Status directory(std::string_view name, const ErofsInode& inode, unsigned depth) {
    if (depth > kMaxErofsDepth) return erofsError("directories are nested too deep");
    if (Status begun = visitor_.beginDirectory(name, inode.node); !begun) return begun;
    std::string previous;
    for (std::uint64_t offset = 0; offset < inode.node.size; offset += kErofsBlock) {
      std::string block(std::min(kErofsBlock, inode.node.size - offset), '\0');
      if (Status got = reader_.data(inode, offset, block.data(), block.size()); !got) return got;
      if (Status walked = directoryBlock(block, previous, depth); !walked) return walked;
    }
    return visitor_.endDirectory(inode.node);
  }

  /** Notes a node as visited; false when it was before. */
  bool visit(std::uint64_t nid) { return visited_.insert(nid).second; }

 private:
  // Entries first, names behind them; the first name's offset tells how many there are.
  Status directoryBlock(std::string_view block, std::string& previous, unsigned depth) {
    if (block.size() < kDirentSize) return erofsError("directory block is cut short");
    const std::size_t namesAt = loadLe<std::uint16_t>(block, 8);
    if (namesAt == 0 || namesAt % kDirentSize != 0 || namesAt > block.size()) {
      return erofsError("directory block: the first name's offset is wrong");
    }
    const std::size_t count = namesAt / kDirentSize;
    for (std::size_t i = 0; i < count; i++) {
      const Result<Dirent> entry = readDirent(block, i, count);
      if (!entry) return entry.error();
      // Sorted, as the kernel's binary search wants it: so no name can be there twice.
      if (!previous.empty() && entry->name <= previous) return erofsError("directory: names are not sorted");
      previous = entry->name;
      if (isDots(entry->name)) continue;
      if (Status walked = child(*entry, depth); !walked) return walked;
    }
    return {};
  }

  static Result<Dirent> readDirent(std::string_view block, std::size_t index, std::size_t count) {
    const std::size_t at = index * kDirentSize;
    const std::size_t begin = loadLe<std::uint16_t>(block, at + 8);
    const bool last = index + 1 == count;
    const std::size_t end = last ? block.size() : loadLe<std::uint16_t>(block, at + kDirentSize + 8);
    if (begin < count * kDirentSize || begin > end || end > block.size()) {
      return erofsError("directory: a name lies outside of its block");
    }
    std::string_view name = block.substr(begin, end - begin);
    if (last) name = name.substr(0, name.find('\0'));
    if (name.empty() || name.size() > kMaxName || name.find('/') != std::string_view::npos ||
        name.find('\0') != std::string_view::npos) {
      return erofsError("directory: a name is empty, too long, or holds a slash or NUL");
    }
    return Dirent{loadLe<std::uint64_t>(block, at), name};
  }

  Status child(const Dirent& entry, unsigned depth) {
    // Each entry takes its bytes somewhere; directories that share blocks to have more of them are an attack.
    if (++entries_ > reader_.size() / kDirentSize) return erofsError("directories share their entries");
    const Result<ErofsInode> inode = reader_.inode(entry.nid);
    if (!inode) return inode.error();
    const std::uint32_t mode = inode->node.mode;
    const bool first = visit(entry.nid);
    if (S_ISDIR(mode)) {
      return first ? directory(entry.name, *inode, depth + 1) : erofsError("directory is linked to from two places");
    }
    if (!first) return visitor_.hardLink(entry.name, inode->node);
    if (S_ISREG(mode)) return file(entry.name, *inode);
    if (S_ISLNK(mode)) return symbolicLink(entry.name, *inode);
    if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode)) {
      return visitor_.special(entry.name, inode->node);
    }
    return erofsError("inode " + std::to_string(entry.nid) + ": file type is unknown");
  }

  Status file(std::string_view name, const ErofsInode& inode) {
    dataBytes_ += inode.node.size;  // each is below the file system's size, so that the sum can't wrap
    if (dataBytes_ / kMaxDataFactor > reader_.size()) return erofsError("files share their data too often");
    if (Status begun = visitor_.beginFile(name, inode.node); !begun) return begun;
    for (std::uint64_t offset = 0; offset < inode.node.size;) {
      const std::size_t piece = std::min<std::uint64_t>(kBufferBytes, inode.node.size - offset);
      if (Status got = reader_.data(inode, offset, buffer_.get(), piece); !got) return got;
      if (Status taken = visitor_.fileData(std::string_view(buffer_.get(), piece)); !taken) return taken;
      offset += piece;
    }
    return visitor_.endFile(inode.node);
  }

  Status symbolicLink(std::string_view name, const ErofsInode& inode) {
    if (inode.node.size == 0 || inode.node.size > kMaxTarget) {
      return erofsError("symbolic link: its target's length is not 1 to 4095");
    }
    std::string target(inode.node.size, '\0');
    if (Status got = reader_.data(inode, 0, target.data(), target.size()); !got) return got;
    if (target.find('\0') != std::string::npos) return erofsError("symbolic link: its target holds a NUL");
    return visitor_.symbolicLink(name, inode.node, target);
  }

  ErofsReader& reader_;
  ErofsVisitor& visitor_;
  std::unordered_set<std::uint64_t> visited_;
  std::uint64_t entries_ = 0, dataBytes_ = 0;
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(kBufferBytes);
};

}  // namespace

Status walkErofs(ErofsSource& source, std::uint64_t size, ErofsVisitor& visitor) {
  ErofsReader reader(source, size);
  if (Status opened = reader.open(); !opened) return opened;
  const Result<ErofsInode> root = reader.inode(reader.rootNid());
  if (!root) return root.error();
  if (!S_ISDIR(root->node.mode)) return erofsError("root is not a directory");
  Walker walker(reader, visitor);
  walker.visit(reader.rootNid());
  return walker.directory("", *root, 0);
}

}  // namespace lightv
