#include "monitor/writable_layer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.hpp"

namespace lightv {
namespace {

/** The overlay's upper directory becomes "/" inside: it needs the image root's owner and mode, not our 0700. */
Status makeUpper(const std::string& upper, int rootMount) {
  struct stat root {};
  if (fstat(rootMount, &root) != 0) return Error{"stat", errno, "the image's root"};
  const std::string fresh = upper + ".new";
  if (Status status = makeDirs(fresh); !status) return status;
  if (chown(fresh.c_str(), root.st_uid, root.st_gid) != 0) return Error{"chown", errno, fresh};
  if (chmod(fresh.c_str(), root.st_mode & 07777) != 0) return Error{"chmod", errno, fresh};
  if (rename(fresh.c_str(), upper.c_str()) != 0) return Error{"rename", errno, fresh};
  return {};
}

}  // namespace

Result<WritableLayer> makeWritableLayer(const Spec& spec, const std::string& directory, int rootMount,
                                        std::vector<std::string>& warnings) {
  const Result<bool> overlay = liesOnOverlay(directory);
  if (!overlay) return overlay.error();
  if (*overlay && spec.storageSizeBytes == 0 && !BoundedLayer::isThere(directory)) {
    // The kernel refuses an overlay as the upper layer of another (overlayfs.rst, "Upper and lower layers"); a file
    // system of the layer's own it takes.
    warnings.push_back("the writable layer is in memory and goes with each run: " + directory +
                       " lies on an overlay; --storage-opt size= keeps it on disk");
    return WritableLayer{};
  }
  WritableLayer layer{directory + "/upper", directory + "/work", {}};
  // What a run before has left stays, and counts, whichever kind it is. A version that knows of no bounds, before an
  // update, may have made the other kind beside it.
  const bool bounded = BoundedLayer::isThere(directory);
  if (bounded && exists(layer.upper))
    warnings.push_back("not used any more: " + layer.upper + ", a layer without a bound");
  if (bounded || (spec.storageSizeBytes != 0 && !exists(layer.upper))) {
    Result<BoundedLayer> opened = BoundedLayer::open(directory, spec.storageSizeBytes);
    if (!opened) return opened.error();
    layer = {opened->root() + "/upper", opened->root() + "/work", std::move(*opened)};
  }
  if (Status status = makeDirs(layer.work); !status) return status.error();
  if (!exists(layer.upper)) {
    if (Status status = makeUpper(layer.upper, rootMount); !status) return status.error();
  }
  return layer;
}

}  // namespace lightv
