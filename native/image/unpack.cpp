// The tree of an EROFS image as ordinary files. Everything is made relative to descriptors of directories that were
// made here, with O_EXCL and without following links, so that no name and no link in the image can lead out.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>
#include <unordered_set>

#include "image/bytes.hpp"
#include "image/erofs.hpp"
#include "image/image.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

class FileSource : public ErofsSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {}
  Status read(std::uint64_t offset, void* buffer, std::size_t size) override {
    return readExactly(fd_, buffer, size, offset, "EROFS");
  }

 private:
  int fd_;
};

class Unpacker : public ErofsVisitor {
 public:
  Unpacker(int directory, UnpackFor who) : root_(directory), who_(who) {}

  Status beginDirectory(std::string_view name, const ErofsNode&) override {
    const std::string text(name);
    Fd fd;
    if (open_.empty()) {
      fd.reset(::fcntl(root_, F_DUPFD_CLOEXEC, 3));
    } else {
      if (::mkdirat(top(), text.c_str(), 0700) < 0) return failed("make directory", text);
      fd.reset(::openat(top(), text.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!fd) return failed("open directory", text);
    path_ += text + "/";
    open_.push_back({std::move(fd), text.size() + 1});
    return {};
  }

  Status endDirectory(const ErofsNode& node) override {
    Status set = setAttributes(top(), node, "");
    path_.resize(path_.size() - open_.back().pathBytes);
    open_.pop_back();
    return set;
  }

  Status beginFile(std::string_view name, const ErofsNode& node) override {
    const std::string text(name);
    file_.reset(::openat(top(), text.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) return failed("create", text);
    fileName_ = text;
    remember(node, text);
    return {};
  }
  Status fileData(std::string_view piece) override { return writeAll(file_.get(), piece, path_); }
  Status endFile(const ErofsNode& node) override {
    Status set = setAttributes(file_.get(), node, fileName_);
    file_.reset();
    return set;
  }

  Status symbolicLink(std::string_view name, const ErofsNode& node, const std::string& target) override {
    const std::string text(name);
    if (::symlinkat(target.c_str(), top(), text.c_str()) < 0) return failed("make symbolic link", text);
    remember(node, text);
    return setAttributesByName(text, node);
  }

  Status special(std::string_view name, const ErofsNode& node) override {
    const std::string text(name);
    if (who_ == UnpackFor::user && (S_ISCHR(node.mode) || S_ISBLK(node.mode))) {
      leftOut_.insert(node.nid);
      return {};
    }
    const dev_t device = makedev(node.deviceMajor, node.deviceMinor);
    if (::mknodat(top(), text.c_str(), node.mode, device) < 0) return failed("make node", text);
    remember(node, text);
    return setAttributesByName(text, node);
  }

  Status hardLink(std::string_view name, const ErofsNode& node) override {
    const std::string text(name);
    if (leftOut_.contains(node.nid)) return {};
    const auto first = first_.find(node.nid);
    if (first == first_.end()) return Error{"unpack image: link", 0, path_ + text + ": its inode counts one link only"};
    // Every part of the remembered path was made here, as a directory: nothing in it can be a symbolic link.
    if (::linkat(root_, first->second.c_str(), top(), text.c_str(), 0) < 0) return failed("link", text);
    return {};
  }

 private:
  struct OpenDirectory {
    Fd fd;
    std::size_t pathBytes = 0;
  };

  [[nodiscard]] int top() const { return open_.back().fd.get(); }
  [[nodiscard]] Error failed(const char* op, const std::string& name) const {
    const int err = errno;
    // EINVAL: the id has no name in the user namespace.
    const bool beyond = who_ == UnpackFor::user && err == EINVAL && std::string_view(op) == "chown";
    return Error{std::string("unpack image: ") + op, err, path_ + name,
                 beyond ? "it belongs to an id beyond those that /etc/subuid and /etc/subgid give you" : ""};
  }
  // The path from the root, where linkat finds it again; path_ begins with the root's own "/".
  void remember(const ErofsNode& node, const std::string& name) {
    if (node.links > 1) first_[node.nid] = path_.substr(1) + name;
  }

  // Root of a user namespace may set no others (capabilities(7), xattr(7)), and overlayfs's own marks, which are user's
  // there, would hide files or lead it astray: the image is its lowest layer, and nobody has checked where it is from.
  [[nodiscard]] bool isWanted(const std::string& key) const {
    if (who_ == UnpackFor::root) return true;
    return key == "security.capability" || key.starts_with("system.posix_acl_") ||
           (key.starts_with("user.") && !key.starts_with("user.overlay."));
  }

  // The owner first: chown(2) clears set-user-ID bits and security.capability. The time last.
  Status setAttributes(int fd, const ErofsNode& node, const std::string& name) const {
    if (::fchown(fd, node.uid, node.gid) < 0) return failed("chown", name);
    if (::fchmod(fd, node.mode & 07777U) < 0) return failed("chmod", name);
    for (const auto& [key, value] : node.xattrs) {
      if (!isWanted(key)) continue;
      if (::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) < 0) return failed("set attribute", key);
    }
    const timespec times[2] = {{0, UTIME_OMIT}, {node.mtime, static_cast<long>(node.mtimeNs)}};
    if (::futimens(fd, times) < 0) return failed("set time", name);
    return {};
  }

  // For what open(2) does not give without side effects: links and nodes, made one line before and ours alone.
  Status setAttributesByName(const std::string& name, const ErofsNode& node) const {
    if (::fchownat(top(), name.c_str(), node.uid, node.gid, AT_SYMLINK_NOFOLLOW) < 0) return failed("chown", name);
    if (!S_ISLNK(node.mode) && ::fchmodat(top(), name.c_str(), node.mode & 07777U, 0) < 0) return failed("chmod", name);
    const std::string path = "/proc/self/fd/" + std::to_string(top()) + "/" + name;
    for (const auto& [key, value] : node.xattrs) {
      if (!isWanted(key)) continue;
      if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) < 0) {
        return failed("set attribute", key);
      }
    }
    const timespec times[2] = {{0, UTIME_OMIT}, {node.mtime, static_cast<long>(node.mtimeNs)}};
    if (::utimensat(top(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return failed("set time", name);
    return {};
  }

  int root_;
  UnpackFor who_;
  std::vector<OpenDirectory> open_;
  std::string path_;
  Fd file_;
  std::string fileName_;
  std::unordered_map<std::uint64_t, std::string> first_;  // node to its first name
  std::unordered_set<std::uint64_t> leftOut_;             // nodes that have no name here
};

}  // namespace

Status unpackErofs(int imageFd, std::uint64_t erofsSize, int directoryFd, UnpackFor who) {
  FileSource source(imageFd);
  Unpacker unpacker(directoryFd, who);
  return walkErofs(source, erofsSize, unpacker);
}

}  // namespace lightv
