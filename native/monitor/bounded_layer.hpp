// A writable layer of bounded size: an ext4 in a file beside the sandbox's records. Its blocks are allocated when it is
// made, so neither can it fill the device's disk, nor can a full disk hurt it later.
#pragma once

#include <cstdint>
#include <string>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** The file system, in reach at root() only while this object is there: a mount namespace made meanwhile keeps it. */
class BoundedLayer {
 public:
  BoundedLayer() = default;
  ~BoundedLayer() { hide(); }
  BoundedLayer(BoundedLayer&& other) noexcept;
  BoundedLayer& operator=(BoundedLayer&& other) noexcept;
  BoundedLayer(const BoundedLayer&) = delete;
  BoundedLayer& operator=(const BoundedLayer&) = delete;

  /**
   * Makes the layer of the sandbox in `directory`, or takes the one that is there, grown to `bytes` if it is smaller.
   * ENOSPC: the disk has no room for it. ENOENT with a hint: mkfs.ext4 is missing. EBUSY: still mounted from a run
   * before.
   */
  static Result<BoundedLayer> open(const std::string& directory, std::uint64_t bytes);

  /** Has the sandbox in `directory` one from before? */
  static bool isThere(const std::string& directory);

  [[nodiscard]] std::string root() const { return mountPoint_; }
  /** Lets a running one grow to `bytes`, at once. EINVAL: it has more, and can't shrink. */
  [[nodiscard]] Status grow(std::uint64_t bytes) const;
  /** Takes the mount out of the host's tree. Whoever has the file system open, as grow() does, keeps it. */
  void hide();
  /** Is there one? */
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(device_); }

 private:
  std::string file_, mountPoint_;
  bool visible_ = false;
  Fd device_, top_;
};

/** What a start that was killed may have left at the host: the mount below a sandbox's directory. Missing is fine. */
void unmountLayer(const std::string& directory);

}  // namespace lightv
