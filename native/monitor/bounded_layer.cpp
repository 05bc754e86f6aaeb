#include "monitor/bounded_layer.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "image/loop.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t kBlock = 4096;
/** An inode for so many bytes: small files are what fills layers. */
constexpr const char* kBytesPerInode = "8192";
/** fs/ext4/ext4.h, which is no header for programs. */
constexpr unsigned long kResizeExt4 = _IOW('f', 16, std::uint64_t);
constexpr int kPatienceMs = 5000;

std::string fileOf(const std::string& directory) {
  return directory + "/layer.ext4";
}
std::string mountPointOf(const std::string& directory) {
  return directory + "/layer";
}

Status allocate(int fd, std::uint64_t bytes, const std::string& name) {
  int failed = 0;
  do {
    failed = fallocate(fd, 0, 0, static_cast<off_t>(bytes));
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return {};
  if (errno == EOPNOTSUPP) {
    return Error{"fallocate", errno, name,
                 "this file system can't keep room for a layer of bounded size: leave --storage-opt size= out"};
  }
  return Error{"fallocate", errno, name};
}

/** Runs a program to its end with nothing to read; what it says goes nowhere. Gives its exit code, or -1 with errno. */
int runQuietly(const char* program, const std::vector<std::string>& args) {
  std::vector<char*> argv{const_cast<char*>(program)};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  // It asks for no terminal and no locale, and speaks to nobody.
  std::array<char*, 1> environment{nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program, &actions, &attributes, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  errno = failed;
  if (failed != 0) return -1;
  return sys::awaitExit(pid);
}

Status makeFileSystem(const std::string& path) {
  // nodiscard: the blocks stay allocated. What a fresh file reads as, zeros, needs no writing (lazy_*).
  const std::vector<std::string> args{"-q", "-F",     "-b", "4096",
                                      "-m", "0",      "-i", kBytesPerInode,
                                      "-J", "size=4", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
                                      path};
  for (const char* program : {"/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mke2fs", "/usr/sbin/mke2fs"}) {
    std::vector<std::string> all = args;
    if (std::string_view(program).ends_with("mke2fs")) all.insert(all.begin(), {"-t", "ext4"});
    const int code = runQuietly(program, all);
    if (code == 0) return {};
    if (code > 0) return Error{"mkfs.ext4", EIO, path + ": it ended with " + std::to_string(code)};
    if (errno != ENOENT) return Error{"mkfs.ext4", errno, program};
  }
  return Error{"mkfs.ext4", ENOENT, path,
               "a writable layer of bounded size is an ext4 file system: install e2fsprogs, or leave --storage-opt "
               "size= out"};
}

Status syncFile(const std::string& path) {
  const Result<Fd> fd = openFile(path, O_RDONLY);
  if (!fd) return fd.error();
  return fsync(fd->get()) == 0 ? Status() : Status(Error{"fsync", errno, path});
}

/** Under its name only when it is whole: a start that is killed here leaves what the next one replaces. */
Status make(const std::string& file, std::uint64_t bytes) {
  const std::string fresh = file + ".new";
  unlink(fresh.c_str());
  {
    const Result<Fd> fd = openFile(fresh, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    if (Status room = allocate(fd->get(), bytes, fresh); !room) {
      unlink(fresh.c_str());
      return room;
    }
  }
  Status made = makeFileSystem(fresh);
  if (made.ok()) made = syncFile(fresh);
  if (made.ok() && rename(fresh.c_str(), file.c_str()) != 0) made = Error{"rename", errno, fresh};
  if (!made) unlink(fresh.c_str());
  return made.ok() ? syncDir(parentPath(file)) : made;
}

/** Two mounts of one file through two devices would destroy it. */
bool isAttached(const std::string& file) {
  // sysfs has the path without links.
  std::array<char, PATH_MAX> real{};
  if (realpath(file.c_str(), real.data()) == nullptr) return false;
  const Result<std::vector<std::string>> devices = listDir("/sys/block");
  for (const std::string& name : devices ? *devices : std::vector<std::string>()) {
    if (!name.starts_with("loop")) continue;
    const Result<std::string> behind = readFile("/sys/block/" + name + "/loop/backing_file");
    if (behind && trim(*behind) == real.data()) return true;
  }
  return false;
}

/** The kernel lets go of the run before a moment after its last process. */
Status awaitDetached(const std::string& file) {
  for (int waited = 0; isAttached(file); waited += 10) {
    if (waited >= kPatienceMs) return Error{"mount", EBUSY, file, "a run before still has it"};
    (void)::poll(nullptr, 0, 10);
  }
  return {};
}

/**
 * What the file system takes itself to have, from its superblock (kernel, Documentation/filesystems/ext4/super.rst).
 * Not the file's size: a growth that was cut off leaves the one behind the other.
 */
Result<std::uint64_t> fileSystemBytes(int device, const std::string& name) {
  constexpr off_t kSuperblock = 1024;
  constexpr std::size_t kBlocksLow = 0x4, kBlocksHigh = 0x150;
  std::array<char, 1024> super{};
  if (pread(device, super.data(), super.size(), kSuperblock) != static_cast<ssize_t>(super.size())) {
    return Error{"read the superblock", errno, name};
  }
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::memcpy(&low, super.data() + kBlocksLow, sizeof low);
  std::memcpy(&high, super.data() + kBlocksHigh, sizeof high);
  return (std::uint64_t{high} << 32 | low) * kBlock;
}

}  // namespace

BoundedLayer::BoundedLayer(BoundedLayer&& other) noexcept
    : file_(std::move(other.file_)),
      mountPoint_(std::move(other.mountPoint_)),
      visible_(std::exchange(other.visible_, false)),
      device_(std::move(other.device_)),
      top_(std::move(other.top_)) {}

BoundedLayer& BoundedLayer::operator=(BoundedLayer&& other) noexcept {
  if (this == &other) return *this;
  hide();
  file_ = std::move(other.file_);
  mountPoint_ = std::move(other.mountPoint_);
  visible_ = std::exchange(other.visible_, false);
  device_ = std::move(other.device_);
  top_ = std::move(other.top_);
  return *this;
}

Result<BoundedLayer> BoundedLayer::open(const std::string& directory, std::uint64_t bytes) {
  BoundedLayer layer;
  layer.file_ = fileOf(directory);
  layer.mountPoint_ = mountPointOf(directory);
  bytes -= bytes % kBlock;
  unmountLayer(directory);
  if (Status made = exists(layer.file_) ? Status() : make(layer.file_, bytes); !made) return made.error();
  if (Status made = makeDirs(layer.mountPoint_); !made) return made.error();
  if (Status detached = awaitDetached(layer.file_); !detached) return detached.error();
  const Result<Fd> file = openFile(layer.file_, O_RDWR | O_NOFOLLOW);
  if (!file) return file.error();
  Result<LoopDevice> device = attachLoop(file->get(), LoopUse::writable);
  if (!device) return device.error();
  // nodev as any writable layer; without noinit_itable the kernel would write all inode tables in the background.
  if (mount(device->path.c_str(), layer.mountPoint_.c_str(), "ext4", MS_NODEV, "noinit_itable,errors=remount-ro") !=
      0) {
    return Error{"mount", errno, layer.file_};
  }
  layer.visible_ = true;
  layer.device_ = std::move(device->fd);
  Result<Fd> top = openFile(layer.mountPoint_, O_RDONLY | O_DIRECTORY);
  if (!top) return top.error();
  layer.top_ = std::move(*top);
  const Result<std::uint64_t> has = fileSystemBytes(layer.device_.get(), layer.file_);
  if (!has) return has.error();
  if (*has < bytes) {
    if (Status grown = layer.grow(bytes); !grown) return grown.error();
  }
  return layer;
}

Status BoundedLayer::grow(std::uint64_t bytes) const {
  bytes -= bytes % kBlock;
  const Result<std::uint64_t> now = fileSystemBytes(device_.get(), file_);
  if (!now) return now.error();
  if (bytes == *now) return {};
  if (bytes < *now) {
    return Error{"update", EINVAL, "the writable layer has " + std::to_string(*now) + " bytes already",
                 "it can grow, not shrink: make a new sandbox", true};
  }
  const Result<Fd> file = openFile(file_, O_RDWR | O_NOFOLLOW);
  if (!file) return file.error();
  struct stat stat {};
  if (fstat(file->get(), &stat) != 0) return Error{"stat", errno, file_};
  if (Status room = allocate(file->get(), bytes, file_); !room) {
    if (ftruncate(file->get(), stat.st_size) != 0) return Error{"truncate", errno, file_};
    return room;
  }
  if (ioctl(device_.get(), LOOP_SET_CAPACITY) != 0) return Error{"LOOP_SET_CAPACITY", errno, file_};
  const std::uint64_t blocks = bytes / kBlock;
  if (ioctl(top_.get(), kResizeExt4, &blocks) == 0) return {};
  const Error refused{"EXT4_IOC_RESIZE_FS", errno, file_, errno == EPERM ? "it needs CAP_SYS_RESOURCE" : ""};
  // The disk gets back what the file system knows nothing of. It grows in steps: one that it took must stay.
  const Result<std::uint64_t> after = fileSystemBytes(device_.get(), file_);
  const bool untouched = after.ok() && *after == *now;
  if (untouched && ftruncate(file->get(), stat.st_size) == 0) (void)ioctl(device_.get(), LOOP_SET_CAPACITY);
  return refused;
}

void BoundedLayer::hide() {
  if (std::exchange(visible_, false)) (void)umount2(mountPoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

bool BoundedLayer::isThere(const std::string& directory) {
  return exists(fileOf(directory));
}

void unmountLayer(const std::string& directory) {
  while (umount2(mountPointOf(directory).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

}  // namespace lightv
