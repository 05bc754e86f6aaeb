// The prepared sandboxes of one image: the socket at which they accept, and who they are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitor/layout.hpp"
#include "pool/member.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** A member as its keeper knows it. */
struct Idle {
  pid_t pid = -1;
  Fd socket;                // end of file: it has gone
  std::uint64_t since = 0;  // when it was forked, or said that it is ready; microseconds of the monotonic clock
  bool ready = false;
  bool proven = false;  // it has stayed for a while
};

class Shelf {
 public:
  /** `file`: the image's, opened before it was mounted; it keeps the inode's number from being given to another. */
  Shelf(PoolImage image, Fd file) : image_(std::move(image)), file_(std::move(file)) {}

  /** Makes the socket. */
  Status open(const Paths& paths);
  /** Forks one more member. */
  Status add(const Paths& paths, const PoolPlace& place, std::uint64_t now);
  /** Lets the newest go: its socket closes, and it takes itself back. */
  void drop();
  /** Nobody is found here any more. */
  void hide(const Paths& paths);
  /** The same, and idle members go. */
  void close(const Paths& paths);
  /** Whoever waits while nobody can take him is sent away, to start by himself. Gives how many. */
  unsigned turnAway();

  [[nodiscard]] const PoolImage& image() const { return image_; }
  [[nodiscard]] int listener() const { return listener_.get(); }
  [[nodiscard]] std::vector<Idle>& members() { return members_; }
  [[nodiscard]] const std::vector<Idle>& members() const { return members_; }
  [[nodiscard]] std::size_t ready() const;
  /** Since when a member has been preparing; of several the first. */
  [[nodiscard]] std::optional<std::uint64_t> preparingSince() const;
  /** Is what is mounted still the file that has the image's path? */
  [[nodiscard]] bool isCurrent() const;

  /** Lets members go that have been preparing since `before` or earlier. Gives how many. */
  std::size_t dropHung(std::uint64_t before);
  /** Marks those that have been ready since `before` or earlier. True if one of them was not marked yet. */
  bool prove(std::uint64_t before);
  void countTaken() { taken_++; }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

 private:
  PoolImage image_;
  Fd file_, listener_;
  std::vector<Idle> members_;
  std::uint64_t taken_ = 0;
};

}  // namespace lightv
