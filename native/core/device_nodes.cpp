#include "core/device_nodes.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/mount_calls.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

Result<Fd> makeNode(int directory, const std::string& name, const Operation& device, std::uint32_t idBase) {
  if (::mknodat(directory, name.c_str(), device.mode & S_IFMT, device.device) < 0)
    return Error{"mknod", errno, device.source};
  if (::fchownat(directory, name.c_str(), idBase, idBase, AT_SYMLINK_NOFOLLOW) < 0)
    return Error{"chown", errno, device.source};
  // After chown(2), and not by mknod(2): the umask is the caller's.
  if (::fchmodat(directory, name.c_str(), device.mode & 0777, 0) < 0) return Error{"chmod", errno, device.source};
  return openFile("/proc/self/fd/" + std::to_string(directory) + "/" + name, O_PATH | O_NOFOLLOW);
}

}  // namespace

Status makeDeviceNodes(std::vector<Operation>& operations, std::uint32_t idBase) {
  const auto nodes = std::find_if(operations.begin(), operations.end(),
                                  [](const Operation& operation) { return operation.step == Step::nodes; });
  if (nodes == operations.end()) return {};
  nodes->fd.reset(
      mounts::makeFileSystem("tmpfs", {{"mode", "700"}, {"size", "64k"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  if (!nodes->fd) return Error{"mount", errno, "a file system for device nodes"};
  unsigned count = 0;
  for (Operation& operation : operations) {
    if (operation.step != Step::device) continue;
    Result<Fd> node = makeNode(nodes->fd.get(), std::to_string(count++), operation, idBase);
    if (!node) return node.error();
    operation.fd = std::move(*node);
    operation.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    operation.isDirectory = false;
  }
  return {};
}

}  // namespace lightv
