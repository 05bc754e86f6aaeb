#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "image/header.hpp"
#include "image/image.hpp"
#include "image/loop.hpp"
#include "image/unpacked.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

// The kernel's own words about a failed mount (fscontext: "e invalid superblock"), if it has any.
std::string kernelMessage(int context) {
  char text[512];
  const ssize_t got = ::read(context, text, sizeof text);
  if (got <= 2) return {};
  return ": " + std::string(text + 2, static_cast<std::size_t>(got) - 2);
}

Result<Fd> mountErofs(const std::string& source, const std::string& path) {
  const Fd context(sys::fsOpen("erofs"));
  if (!context) return Error{"open EROFS", errno, path};
  const bool configured = sys::fsConfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) == 0 &&
                          sys::fsConfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) == 0 &&
                          sys::fsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  if (!configured) {
    const int err = errno;
    return Error{"mount EROFS", err, path + kernelMessage(context.get())};
  }
  Fd mount(sys::fsMount(context.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV));
  if (!mount) return Error{"fsmount", errno, path};
  return mount;
}

Result<Fd> mountFile(int image, const std::string& path) {
  // By descriptor: what was opened is what is mounted, whatever the path names meanwhile.
  return mountErofs("/proc/self/fd/" + std::to_string(image), path);
}

Result<Fd> mountLoop(int image, const std::string& path) {
  const Result<LoopDevice> loop = attachLoop(image);
  if (!loop) return loop.error();
  return mountErofs(loop->path, path);
}

Result<Fd> mountUnpacked(int image, const std::string& digest, const std::string& unpackRoot, UnpackFor who) {
  const Result<Header> header = readHeader(image);
  if (!header) return header.error();
  const Result<std::string> tree = ensureUnpacked(image, header->erofs.length, digest, unpackRoot, who);
  if (!tree) return tree.error();
  Fd mount(sys::openTree(AT_FDCWD, tree->c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!mount) return Error{"open_tree", errno, *tree, "Linux 5.2 or newer is needed"};
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
  if (sys::mountSetattr(mount.get(), "", AT_EMPTY_PATH, attributes) < 0) {
    return Error{"mount_setattr", errno, *tree, "Linux 5.12, or an older one with EROFS, is needed"};
  }
  return mount;
}

// Another way may do where the kernel lacks this one. Not where it found the image to be bad, and not where it was
// short of something for the moment: a copy on the device's flash must not come from that.
bool lacksFileMounts(int err) {
  return err == ENOSYS || err == ENODEV || err == ENOTBLK || err == EOPNOTSUPP || err == EINVAL || err == ELOOP;
}
bool lacksLoopMounts(int err) {
  return err == ENOSYS || err == ENODEV || err == ENOENT || err == ENXIO;
}

Result<ImageMount> finish(Result<Fd> mount, MountWay way) {
  if (!mount) return mount.error();
  ImageMount done;
  done.mount = std::move(*mount);
  done.way = way;
  return done;
}

Result<ImageMount> mountBest(int image, const std::string& path, const std::string& digest,
                             const std::string& unpackRoot) {
  // A file system counts its layers: an overlay, EROFS on a file of it and the sandbox's own overlay would be one too
  // many (FILESYSTEM_MAX_STACK_DEPTH). A loop device counts for none.
  const Result<bool> overlay = liesOnOverlay("/proc/self/fd/" + std::to_string(image));
  const bool stacked = overlay && *overlay;
  Result<Fd> file = stacked ? Result<Fd>(Error{"mount EROFS", ENOTBLK, path}) : mountFile(image, path);
  if (file || !lacksFileMounts(file.error().err)) return finish(std::move(file), MountWay::file);
  Result<Fd> loop = mountLoop(image, path);
  if (loop || !lacksLoopMounts(loop.error().err)) return finish(std::move(loop), MountWay::loop);
  return finish(mountUnpacked(image, digest, unpackRoot, UnpackFor::root), MountWay::unpacked);
}

Result<ImageMount> mountOpened(int image, const std::string& path, const std::string& digest,
                               const std::string& unpackRoot) {
  const char* forced = std::getenv("LIGHTV_IMAGE_MOUNT");
  const std::string_view way = forced == nullptr ? "" : forced;
  if (way.empty()) return mountBest(image, path, digest, unpackRoot);
  if (way == "file") return finish(mountFile(image, path), MountWay::file);
  if (way == "loop") return finish(mountLoop(image, path), MountWay::loop);
  if (way == "unpacked") return finish(mountUnpacked(image, digest, unpackRoot, UnpackFor::root), MountWay::unpacked);
  return Error{"LIGHTV_IMAGE_MOUNT", EINVAL, std::string(way), "set it to file, loop or unpacked, or unset it"};
}

std::string hintFor(int err, const std::string& path) {
  if (err == EINVAL || err == EUCLEAN || err == EIO) return "lightv verify " + path + " tells whether it is damaged";
  if (lacksFileMounts(err)) return "the kernel can't do it this way: unset LIGHTV_IMAGE_MOUNT";
  return {};
}

}  // namespace

Result<ImageMount> mountImage(const std::string& path, const std::string& digest, const std::string& unpackRoot) {
  const Result<Fd> image = openFile(path, O_RDONLY | O_NONBLOCK);
  if (!image) return image.error();
  Result<ImageMount> mount = mountOpened(image->get(), path, digest, unpackRoot);
  if (mount) return mount;
  Error error = mount.error().wrap("mount image");
  if (error.hint.empty()) error.hint = hintFor(error.err, path);
  return error;
}

Result<ImageMount> mountForUser(const std::string& path, const std::string& digest, const std::string& unpackRoot) {
  const Result<Fd> image = openFile(path, O_RDONLY | O_NONBLOCK);
  if (!image) return image.error();
  Result<ImageMount> mount =
      finish(mountUnpacked(image->get(), digest, unpackRoot, UnpackFor::user), MountWay::unpacked);
  return mount ? std::move(mount) : Result<ImageMount>(mount.error().wrap("mount image"));
}

}  // namespace lightv
