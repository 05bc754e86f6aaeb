#include "image/loop.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr int kAttempts = 256;
constexpr unsigned kBlockSize = 4096;

unsigned flagsOf(LoopUse use) {
  const unsigned readOnly = LO_FLAGS_READ_ONLY;
  return LO_FLAGS_AUTOCLEAR | (use == LoopUse::readOnly ? readOnly : 0U);
}

int accessOf(LoopUse use) {
  return use == LoopUse::readOnly ? O_RDONLY : O_RDWR;
}

// Containers and small systems may have no devtmpfs that makes the node. Its number is in sysfs ("7:0"), as
// loop.max_part shifts the minor.
Result<Fd> openDevice(int number, LoopUse use, std::string& path) {
  path = "/dev/loop" + std::to_string(number);
  Result<Fd> fd = openFile(path, accessOf(use));
  if (fd || fd.error().err != ENOENT) return fd;
  const Result<std::string> line = readFile("/sys/block/loop" + std::to_string(number) + "/dev");
  if (!line) return line.error();
  const std::vector<std::string> parts = split(trim(*line), ':', 2);
  const auto major = parseInteger<unsigned>(parts[0]);
  const auto minor = parts.size() == 2 ? parseInteger<unsigned>(parts[1]) : std::nullopt;
  if (!major || !minor) return Error{"make loop device", EINVAL, path + ": sysfs says \"" + *line + "\""};
  if (::mknod(path.c_str(), S_IFBLK | 0660, makedev(*major, *minor)) < 0 && errno != EEXIST) {
    return Error{"make loop device", errno, path};
  }
  return openFile(path, accessOf(use));
}

// Before 5.8: three steps in which the device is half made. EBUSY at the first: another process was faster.
Status configureInSteps(int device, int file, LoopUse use, const std::string& path, bool direct) {
  if (::ioctl(device, LOOP_SET_FD, file) < 0) return Error{"LOOP_SET_FD", errno, path};
  loop_info64 info{};
  info.lo_flags = flagsOf(use);
  if (::ioctl(device, LOOP_SET_STATUS64, &info) < 0) {
    const int err = errno;
    (void)::ioctl(device, LOOP_CLR_FD);
    return Error{"LOOP_SET_STATUS64", err, path};
  }
  (void)::ioctl(device, LOOP_SET_BLOCK_SIZE, static_cast<unsigned long>(kBlockSize));
  if (direct) (void)::ioctl(device, LOOP_SET_DIRECT_IO, 1UL);
  return {};
}

Status configure(int device, int file, LoopUse use, const std::string& path, bool direct) {
  loop_config config{};
  config.fd = static_cast<__u32>(file);
  config.block_size = kBlockSize;
  config.info.lo_flags = flagsOf(use);
  if (direct) config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
  if (::ioctl(device, LOOP_CONFIGURE, &config) == 0) return {};
  if (errno == EBUSY) return Error{"LOOP_CONFIGURE", errno, path};
  // ENOTTY or EINVAL: a kernel before 5.8, or a file whose system has no direct I/O, which newer ones refuse at once.
  return configureInSteps(device, file, use, path, direct);
}

}  // namespace

Result<LoopDevice> attachLoop(int file, LoopUse use) {
  const Result<Fd> control = openFile("/dev/loop-control", O_RDWR);
  if (!control) return control.error();
  // An overlay takes direct I/O for granted; where the file lies on a tmpfs below it each read is EIO then
  // (kernel 6.1).
  const Result<bool> overlay = liesOnOverlay("/proc/self/fd/" + std::to_string(file));
  const bool direct = overlay && !*overlay;
  // LOOP_CTL_GET_FREE reserves nothing: whoever configures the device first has it, the others ask again.
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    const int number = ::ioctl(control->get(), LOOP_CTL_GET_FREE);
    if (number < 0) return Error{"find free loop device", errno, "/dev/loop-control"};
    LoopDevice loop;
    Result<Fd> device = openDevice(number, use, loop.path);
    if (!device && device.error().err != ENXIO) return device.error();
    if (!device) continue;
    const Status configured = configure(device->get(), file, use, loop.path, direct);
    if (configured) {
      loop.fd = std::move(*device);
      return loop;
    }
    if (configured.error().err != EBUSY) return configured.error();
  }
  return Error{"find free loop device", EBUSY, "others were faster " + std::to_string(kAttempts) + " times",
               "start fewer sandboxes at once"};
}

}  // namespace lightv
