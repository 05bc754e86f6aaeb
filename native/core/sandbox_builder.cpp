#include "core/sandbox_builder.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "core/mount_calls.hpp"
#include "core/sysctl.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

bool isProc(int fd) {
  struct statfs fs {};
  return ::fstatfs(fd, &fs) == 0 && static_cast<unsigned long>(fs.f_type) == PROC_SUPER_MAGIC;
}

/** In the sandbox's /dev, while it is made. */
constexpr const char* kEmpty = ".lightv-empty";

/** /proc, /dev and /sys as links in an image would lead the engine's own mounts astray (CVE-2023-27561). */
bool isBase(const char* target) {
  return std::strcmp(target, "/proc") == 0 || std::strcmp(target, "/dev") == 0 || std::strcmp(target, "/sys") == 0;
}

/** Brings lo up in the sandbox's own network. */
int raiseLoopback() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno == EAFNOSUPPORT ? 0 : -1;
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

int fdPath(char* out, std::size_t size, int fd, const char* below) {
  return std::snprintf(out, size, "/proc/self/fd/%d%s", fd, below) < static_cast<int>(size) ? 0 : -1;
}

/**
 * Into the host's tree, of which this is a copy that goes as a whole in pivot(). Over "/" each would have to go by
 * itself, and for each umount2(2) the kernel waits for an RCU grace period (fs/namespace.c, namespace_unlock). Nothing
 * of the host's /sys is asked for by a path any more.
 */
int attachAside(int mount) {
  if (sys::moveMount(mount, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) == 0) return 0;
  if (errno != ENOENT && errno != ENOTDIR) return -1;
  return sys::moveMount(mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

/** The directory of an overlay's upper and work directories; what this opens goes with `own`. */
int layersOf(const Operation& operation, Fd& own) {
  if (operation.source.empty()) {
    own.reset(mounts::makeFileSystem("tmpfs", operation.options, MOUNT_ATTR_NODEV));
    if (!own || ::mkdirat(own.get(), "upper", 0755) < 0 || ::mkdirat(own.get(), "work", 0755) < 0) return -1;
  } else if (!operation.fd) {
    // Opened here and not before clone: the kernel takes no layer from another mount namespace.
    char parent[PATH_MAX];
    (void)std::snprintf(parent, sizeof parent, "%s", operation.source.c_str());
    *std::strrchr(parent, '/') = '\0';
    own.reset(::open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC));
    return own.get();
  }
  const int mount = own ? own.get() : operation.fd.get();
  return attachAside(mount) < 0 ? -1 : mount;
}

const char* stepOp(Step step) {
  switch (step) {
    case Step::device:
      return "device";
    case Step::workDirectory:
      return "working directory";
    case Step::hostname:
      return "hostname";
    case Step::loopback:
      return "network";
    case Step::pivot:
      return "pivot_root";
    case Step::sysctl:
      return "sysctl";
    default:
      return "mount";
  }
}

}  // namespace

void SandboxBuilder::run(const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) {
    if (execute(operation) == 0) continue;
    const char* detail = operation.target.c_str();
    if (!operation.optional) reporter_.fail(stepOp(operation.step), detail, errno);
    reporter_.warn(stepOp(operation.step), detail, errno);
  }
  forgetEmpty();
}

int SandboxBuilder::execute(const Operation& operation) {
  switch (operation.step) {
    case Step::privateTree:
      return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    case Step::root:
      return attachRoot(operation);
    case Step::overlay:
      return attachOverlay(operation);
    case Step::fileSystem:
      return mountFileSystem(operation);
    case Step::bind:
      return bind(operation);
    case Step::nodes:
      return attachNodes(operation);
    case Step::device:
      return makeDevice(operation);
    case Step::link:
      return makeLink(operation);
    case Step::file:
      return bindFile(operation);
    case Step::sysctl:
      return writeSysctl(operation);
    case Step::hide:
      return hide(operation);
    case Step::protect:
      return protect(operation);
    case Step::seal:
      return seal(operation);
    case Step::hostname:
      return ::sethostname(operation.target.c_str(), operation.target.size());
    case Step::loopback:
      return raiseLoopback();
    case Step::pivot:
      return pivot();
    case Step::directory:
      return Fd(root_.makeDirs(operation.target.c_str())).valid() ? 0 : -1;
    case Step::workDirectory:
      break;
  }
  // Where it can't be made, entering it says so.
  (void)Fd(root_.makeDirs(operation.target.c_str()));
  return 0;
}

int SandboxBuilder::attachTree(int tree, int target, std::uint64_t attributes, bool recursive) {
  const bool early = mounts::setAttributes(tree, attributes, recursive) == 0;
  if (!early && errno != ENOSYS) return -1;
  if (mounts::attach(tree, target) < 0) return -1;
  return early ? 0 : mounts::remount(tree, attributes);
}

int SandboxBuilder::attachRoot(const Operation& operation) {
  const bool early = mounts::setAttributes(rootFd_, operation.attributes, false) == 0;
  if (!early && errno != ENOSYS) return -1;
  if (attachAside(rootFd_) < 0) return -1;
  return early ? 0 : mounts::remount(rootFd_, operation.attributes);
}

// The layers are named through descriptors: the sandbox's user may not walk the host's directories that lead to them,
// and mountinfo shows these names inside.
int SandboxBuilder::attachOverlay(const Operation& operation) {
  char lower[64];
  char upper[NAME_MAX + 64];
  char work[NAME_MAX + 64];
  if (fdPath(lower, sizeof lower, rootFd_, "") < 0) return -1;
  Fd own;
  const int base = layersOf(operation, own);
  if (base < 0) return -1;
  const bool scratch = operation.source.empty();
  const char* name = scratch ? "/upper" : std::strrchr(operation.source.c_str(), '/');
  const char* workName = scratch ? "/work" : std::strrchr(operation.options[0].second.c_str(), '/');
  if (fdPath(upper, sizeof upper, base, name) < 0 || fdPath(work, sizeof work, base, workName) < 0) return -1;
  const Fd context(sys::fsOpen("overlay"));
  if (!context) return -1;
  const auto set = [&](const char* key, const char* value) {
    return sys::fsConfig(context.get(), FSCONFIG_SET_STRING, key, value, 0);
  };
  if (set("source", "overlay") < 0 || set("lowerdir", lower) < 0) return -1;
  if (set("upperdir", upper) < 0 || set("workdir", work) < 0) return -1;
  if (marks_ == Marks::user && sys::fsConfig(context.get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0) < 0) return -1;
  if (sys::fsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return -1;
  const int mount = sys::fsMount(context.get(), static_cast<unsigned>(operation.attributes));
  if (mount < 0 || attachAside(mount) < 0) return -1;
  rootFd_ = mount;
  root_ = RootFs(mount);
  return 0;
}

/** A link in the image must not lead a mount over the sandbox's /proc, nor over "/", where nobody would see it. */
bool SandboxBuilder::mayCover(int target) const {
  struct stat there {};
  struct stat top {};
  if (::fstat(target, &there) < 0 || ::fstat(rootFd_, &top) < 0) return false;
  const bool isTop = there.st_dev == top.st_dev && there.st_ino == top.st_ino;
  if (!isTop && !isProc(target)) return true;
  errno = EPERM;
  return false;
}

int SandboxBuilder::placeOf(const Operation& operation, const char** name) const {
  const char* path = operation.target.c_str();
  *name = std::strrchr(path, '/') + 1;
  return std::strncmp(path, "/dev/", 5) == 0 ? dev_ : groups_;
}

// No path of the image is walked: the directory is a mount that the plan has just made, and the name is new there.
int SandboxBuilder::attachFresh(int mount, const Operation& operation, bool isDirectory) {
  const char* name = nullptr;
  const int place = placeOf(operation, &name);
  const int made = isDirectory ? ::mkdirat(place, name, 0755) : ::mknodat(place, name, S_IFREG | 0644, 0);
  // A device of the user's may lie in /dev/pts of the host's.
  if (made < 0 && errno != EEXIST) return -1;
  return sys::moveMount(mount, "", place, name, MOVE_MOUNT_F_EMPTY_PATH);
}

int SandboxBuilder::mountFileSystem(const Operation& operation) {
  if (operation.fresh) {
    const Fd mount(mounts::makeFileSystem(operation.source.c_str(), operation.options, operation.attributes));
    return mount ? attachFresh(mount.get(), operation, true) : -1;
  }
  const char* path = operation.target.c_str();
  const Fd target(root_.makeDirs(path));
  if (!target) return -1;
  if (isBase(path)) {
    const Fd plain(root_.open(path, O_PATH | O_NOFOLLOW | O_DIRECTORY));
    if (!plain) return -1;
  }
  if (!mayCover(target.get())) return -1;
  Fd mount(mounts::makeFileSystem(operation.source.c_str(), operation.options, operation.attributes));
  if (!mount || mounts::attach(mount.get(), target.get()) < 0) return -1;
  if (dev_ < 0 && std::strcmp(path, "/dev") == 0) dev_ = mount.release();
  if (groups_ < 0 && std::strcmp(path, "/sys/fs/cgroup") == 0) groups_ = mount.release();
  return 0;
}

// A directory of the sandbox's own /dev, which loses its name when all is mounted (forgetEmpty): then nothing can be
// made in it. One superblock less than a tmpfs for it, and each of those costs every memory cgroup of the machine
// (mm/shrinker.c, struct shrinker_info_unit).
int SandboxBuilder::makeEmpty() {
  if (::mkdirat(dev_, kEmpty, 0555) < 0) return -1;
  return mounts::cloneTree(dev_, kEmpty, false);
}

void SandboxBuilder::forgetEmpty() const {
  if (empty_ >= 0) (void)::unlinkat(dev_, kEmpty, AT_REMOVEDIR);
}

int SandboxBuilder::bind(const Operation& operation) {
  const int tree = operation.fd.get();
  if (operation.fresh && operation.settled) return attachFresh(tree, operation, operation.isDirectory);
  const char* path = operation.target.c_str();
  const Fd target(operation.isDirectory ? root_.makeDirs(path) : root_.makeFile(path));
  if (!target || !mayCover(target.get())) return -1;
  if (operation.settled) return mounts::attach(tree, target.get());
  return attachTree(tree, target.get(), operation.attributes, operation.recursive);
}

int SandboxBuilder::attachNodes(const Operation& operation) {
  if (!operation.fd) return 0;
  ownNodes_ = true;
  return attachAside(operation.fd.get());
}

int SandboxBuilder::makeDevice(const Operation& operation) {
  if (operation.fd && !ownNodes_) return bind(operation);
  if (ownNodes_) {
    // Copied here: before 6.15 the kernel copies no mount that is attached nowhere. What the mount of the nodes may
    // not, a copy of it may not either.
    const Fd tree(mounts::cloneTree(operation.fd.get(), "", false));
    if (!tree) return -1;
    if (operation.fresh) return attachFresh(tree.get(), operation, false);
    const Fd target(root_.makeFile(operation.target.c_str()));
    if (!target || !mayCover(target.get())) return -1;
    return attachTree(tree.get(), target.get(), operation.attributes, false);
  }
  if (operation.fresh) {
    const char* name = nullptr;
    const int place = placeOf(operation, &name);
    return ::mknodat(place, name, operation.mode, operation.device);
  }
  char parent[PATH_MAX];
  (void)std::snprintf(parent, sizeof parent, "%s", operation.target.c_str());
  char* slash = std::strrchr(parent, '/');
  if (slash == nullptr) {
    errno = EINVAL;
    return -1;
  }
  *slash = '\0';
  const Fd directory(root_.makeDirs(parent[0] == '\0' ? "/" : parent));
  if (!directory) return -1;
  const char* name = operation.target.c_str() + (slash - parent) + 1;
  if (::mknodat(directory.get(), name, operation.mode, operation.device) == 0) return 0;
  return errno == EEXIST ? 0 : -1;
}

int SandboxBuilder::makeLink(const Operation& operation) {
  const char* name = nullptr;
  const int place = placeOf(operation, &name);
  return ::symlinkat(operation.source.c_str(), place, name);
}

// The content lies in the sandbox's /dev, where its name goes again at once; the mount keeps it.
int SandboxBuilder::bindFile(const Operation& operation) {
  const Fd target(root_.makeFile(operation.target.c_str()));
  if (!target) return 0;
  if (!mayCover(target.get())) return -1;
  const Fd file(::openat(dev_, ".lightv-file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) return -1;
  const auto size = static_cast<ssize_t>(operation.source.size());
  const bool written = ::write(file.get(), operation.source.data(), operation.source.size()) == size;
  const Fd tree(written ? mounts::cloneTree(dev_, ".lightv-file", false) : -1);
  const std::uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const int attached = tree ? attachTree(tree.get(), target.get(), attributes, false) : -1;
  const int err = errno;
  (void)::unlinkat(dev_, ".lightv-file", 0);
  errno = err;
  return attached;
}

int SandboxBuilder::writeSysctl(const Operation& operation) {
  const std::string& value = operation.source;
  // Its file is owned by the first user namespace; the call asks the owner of the host name's.
  if (operation.target == kDomainName) return ::setdomainname(value.data(), value.size());
  char path[256];
  (void)std::snprintf(path, sizeof path, "/proc/sys/%s", operation.target.c_str());
  const Fd file(root_.open(path, O_WRONLY));
  if (!file) return operation.optional && errno == ENOENT ? 0 : -1;
  // CVE-2019-19921: an image can't make this a file of its own, but whoever changes the order above could.
  if (!isProc(file.get())) {
    errno = EPERM;
    return -1;
  }
  return ::write(file.get(), value.data(), value.size()) < 0 ? -1 : 0;
}

/** The sandbox's null device; CVE-2025-31133: only what is that by its numbers hides anything. */
int SandboxBuilder::openNull() {
  const Fd null(root_.open("/dev/null", O_PATH | O_NOFOLLOW));
  struct stat info {};
  if (!null || ::fstat(null.get(), &info) < 0) return -1;
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) {
    errno = ENODEV;
    return -1;
  }
  return mounts::cloneTree(null.get(), "", false);
}

int SandboxBuilder::bindNull(int target) {
  if (null_ >= 0) {
    const Fd copy(mounts::cloneTree(null_, "", false));
    return copy ? mounts::attach(copy.get(), target) : -1;
  }
  null_ = openNull();
  return null_ < 0 ? -1 : attachTree(null_, target, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
}

int SandboxBuilder::hide(const Operation& operation) {
  const Fd target(root_.open(operation.target.c_str(), O_PATH));
  struct stat info {};
  if (!target) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
  if (::fstat(target.get(), &info) < 0) return -1;
  if (!S_ISDIR(info.st_mode)) return bindNull(target.get());
  if (empty_ >= 0) {
    const Fd copy(mounts::cloneTree(empty_, "", false));
    return copy ? mounts::attach(copy.get(), target.get()) : -1;
  }
  const std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  empty_ = makeEmpty();
  if (empty_ < 0) return -1;
  return attachTree(empty_, target.get(), attributes, false);
}

int SandboxBuilder::protect(const Operation& operation) {
  const Fd target(root_.open(operation.target.c_str(), O_PATH));
  if (!target) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
  const Fd tree(mounts::cloneTree(target.get(), "", true));
  if (!tree) return -1;
  const std::uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  return attachTree(tree.get(), target.get(), attributes, true);
}

int SandboxBuilder::seal(const Operation& operation) {
  const Fd mount(root_.open(operation.target.c_str(), O_PATH | O_DIRECTORY));
  if (!mount) return -1;
  if (mounts::setAttributes(mount.get(), MOUNT_ATTR_RDONLY, false) == 0) return 0;
  return errno == ENOSYS ? mounts::remount(mount.get(), MOUNT_ATTR_RDONLY) : -1;
}

// pivot_root(2), "pivot_root(".", ".")": the old root ends up over the new one and is detached from there.
// umount2(2) takes the topmost mount at ".": first what was stacked on the old root (an overlay's lower layer), then
// the old root itself with all of the host below it. EINVAL is the end: "." is no longer in this namespace.
int SandboxBuilder::pivot() const {
  const Fd old(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!old || ::fchdir(rootFd_) < 0 || sys::pivotRoot(".", ".") < 0 || ::fchdir(old.get()) < 0) return -1;
  int detached = 0;
  while (::umount2(".", MNT_DETACH) == 0) detached++;
  if (detached == 0 || errno != EINVAL) return -1;
  return ::chdir("/");
}

}  // namespace lightv
