// The keeper's one mount of an image, of which each prepared sandbox takes a clone.
#pragma once

#include <string>
#include <utility>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * Before Linux 6.15 open_tree(2) clones only what is attached in the caller's own mount namespace. There the keeper
 * gets a namespace of its own, which goes on following the host's, and the image is mounted at a directory in it that
 * the host sees empty. Where the host's "/" is private, and so can't be followed, it is mounted at the host.
 */
class HeldMount {
 public:
  HeldMount() = default;
  /**
   * `detached`: as fsmount(2) gives it. `point`: the directory, made when it is needed; it may be left from before.
   * `apart`: whether the process has its own namespace already; one is enough for all images.
   */
  static Result<HeldMount> hold(Fd detached, const std::string& point, bool& apart);

  HeldMount(HeldMount&& other) noexcept : mount_(std::move(other.mount_)), point_(std::exchange(other.point_, {})) {}
  HeldMount& operator=(HeldMount&& other) noexcept;
  HeldMount(const HeldMount&) = delete;
  HeldMount& operator=(const HeldMount&) = delete;
  /** Takes the mount and its directory away; clones stay. */
  ~HeldMount() { reset(); }
  /** Takes away what a keeper that was killed left at `point`. */
  static void sweep(const std::string& point);

  [[nodiscard]] int get() const { return mount_.get(); }

 private:
  HeldMount(Fd mount, std::string point) : mount_(std::move(mount)), point_(std::move(point)) {}
  void reset();

  Fd mount_;
  std::string point_;  // empty: attached nowhere
};

}  // namespace lightv
