// Files of the host, mounts and devices.
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "attack.hpp"

namespace attack {

Result notOpened(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC);
  if (fd < 0) return held(nameOf(errno));
  ::close(fd);
  return reached(std::string(path) + " is open");
}

namespace {

constexpr unsigned kDeepest = 12;

bool isNumber(const char* text) {
  return *text != '\0' && std::strspn(text, "0123456789") == std::strlen(text);
}

/** The first file below `path` that opens for writing, or "". A process's own directory in /proc is its own. */
std::string firstWritable(const std::string& path, unsigned depth = 0) {
  DIR* directory = depth > kDeepest ? nullptr : ::opendir(path.c_str());
  if (directory == nullptr) return "";
  std::string found;
  for (const dirent* entry = ::readdir(directory); entry != nullptr && found.empty(); entry = ::readdir(directory)) {
    const char* name = entry->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    if (path == "/proc" &&
        (isNumber(name) || std::strcmp(name, "self") == 0 || std::strcmp(name, "thread-self") == 0)) {
      continue;
    }
    const std::string below = path + "/" + name;
    struct stat info {};
    if (::lstat(below.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) continue;
    if (S_ISDIR(info.st_mode)) {
      found = firstWritable(below, depth + 1);
      continue;
    }
    // Root opens these all the same, but the kernel has nothing to do with what is written.
    if ((info.st_mode & 0222) == 0) continue;
    // A masked file is the null device: it takes everything and keeps nothing.
    if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)) continue;
    const int fd = ::open(below.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) continue;
    ::close(fd);
    found = below;
  }
  ::closedir(directory);
  return found;
}

Result nothingWritable(const char* path) {
  const std::string found = firstWritable(path);
  return found.empty() ? held("nothing below it opens for writing") : reached(found);
}

/** What a masked file or directory has to say. */
Result nothingIn(const char* path) {
  std::ifstream file(path);
  char first = 0;
  if (file.get(first)) return reached(std::string(path) + " can be read");
  DIR* directory = ::opendir(path);
  if (directory == nullptr) return held("nothing");
  unsigned entries = 0;
  while (::readdir(directory) != nullptr) entries++;
  ::closedir(directory);
  return entries > 2 ? reached(std::string(path) + " has entries") : held("empty");
}

Result upAndOut() {
  struct stat before {};
  struct stat after {};
  if (::stat("/", &before) != 0 || ::chdir("/") != 0) return held("no root");
  for (int i = 0; i < 64; i++) {
    if (::chdir("..") != 0) return held(nameOf(errno));
  }
  (void)::stat(".", &after);
  return before.st_dev == after.st_dev && before.st_ino == after.st_ino ? held("the same root")
                                                                        : reached("another root");
}

/** The old way out of a chroot: a second one, while the working directory stays outside of it. */
Result outOfChroot() {
  struct stat before {};
  struct stat after {};
  (void)::stat("/", &before);
  if (::chdir("/") != 0 || ::chroot("/proc") != 0) return held(nameOf(errno));
  for (int i = 0; i < 64; i++) (void)!::chdir("..");
  (void)::stat(".", &after);
  return before.st_dev == after.st_dev && before.st_ino == after.st_ino ? held("the same root")
                                                                        : reached("another root");
}

Result makeDisk() {
  for (const char* path : {"/tmp/disk", "/dev/shm/disk", "/dev/disk"}) {
    if (::mknod(path, S_IFBLK | 0600, makedev(8, 0)) == 0) {
      ::unlink(path);
      return reached(path);
    }
  }
  return held(nameOf(errno));
}

Result devicesOfHost() {
  for (const char* path : {"/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/port", "/dev/sda", "/dev/vda", "/dev/nvme0n1",
                           "/dev/mapper/control", "/dev/loop-control", "/dev/fuse", "/dev/kvm", "/dev/net/tun"}) {
    if (const Result one = notOpened(path, O_RDONLY); one.reached) return one;
  }
  return held("none is there");
}

template <class... Args>
Result call(long number, Args... args) {
  return refused(::syscall(number, args...));
}

Result mountsOfHost() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // Of its own, a sandbox has these; anything else would be a mount of the host that came along.
    if (line.find(" /boot") != std::string::npos || line.find(" /home") != std::string::npos ||
        line.find(" /var/lib/lightv") != std::string::npos) {
      return reached(line);
    }
  }
  return held("none");
}

Result cgroupV1() {
  (void)::mkdir("/tmp/cg", 0700);
  return refused(::mount("cgroup", "/tmp/cg", "cgroup", 0, "memory"));
}

}  // namespace

std::vector<Attack> fileAttacks() {
  return {
      {"dot dot beyond the root", upAndOut},
      {"chroot in a chroot", outOfChroot},
      {"the engine's files", [] { return notOpened("/var/lib/lightv/sandboxes", O_RDONLY); }},
      {"host files by /proc/1/root", [] { return notOpened("/proc/1/root/etc/shadow", O_RDONLY); }},
      {"writable files in /proc", [] { return nothingWritable("/proc"); }},
      {"writable files in /sys", [] { return nothingWritable("/sys"); }},
      {"core_pattern", [] { return notOpened("/proc/sys/kernel/core_pattern", O_WRONLY); }},
      {"modprobe path", [] { return notOpened("/proc/sys/kernel/modprobe", O_WRONLY); }},
      {"uevent_helper", [] { return notOpened("/sys/kernel/uevent_helper", O_WRONLY); }},
      {"sysrq", [] { return notOpened("/proc/sysrq-trigger", O_WRONLY); }},
      {"kcore", [] { return nothingIn("/proc/kcore"); }},
      {"keys", [] { return nothingIn("/proc/keys"); }},
      {"timer_list", [] { return nothingIn("/proc/timer_list"); }},
      {"firmware", [] { return nothingIn("/sys/firmware"); }},
      {"acpi", [] { return nothingIn("/proc/acpi"); }},
      {"scsi", [] { return nothingIn("/proc/scsi"); }},
      {"release_agent", [] { return notOpened("/sys/fs/cgroup/release_agent", O_WRONLY); }},
      {"cgroup v1 mount", cgroupV1},
      {"new cgroup",
       [] {
         return refused(::mkdir("/sys/fs/cgroup/mine", 0755), {EROFS, ENOENT});
       }},
      {"mount tmpfs", [] { return refused(::mount("none", "/tmp", "tmpfs", 0, nullptr)); }},
      {"mount proc", [] { return refused(::mount("none", "/tmp", "proc", 0, nullptr)); }},
      {"bind", [] { return refused(::mount("/", "/tmp", nullptr, MS_BIND, nullptr)); }},
      {"remount writable", [] { return refused(::mount(nullptr, "/sys", nullptr, MS_REMOUNT | MS_BIND, nullptr)); }},
      {"unmount a mask", [] { return refused(::umount2("/proc/keys", MNT_DETACH)); }},
      {"pivot_root", [] { return call(SYS_pivot_root, "/", "/tmp"); }},
      {"fsopen", [] { return call(SYS_fsopen, "tmpfs", 0); }},
      {"open_tree", [] { return call(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE); }},
      {"move_mount", [] { return call(SYS_move_mount, -1, "", -1, "", 0); }},
      {"mount_setattr", [] { return call(SYS_mount_setattr, AT_FDCWD, "/", 0, nullptr, 0UL); }},
      {"mknod of a disk", makeDisk},
      {"devices of the host", devicesOfHost},
      {"mounts of the host", mountsOfHost},
  };
}

}  // namespace attack
