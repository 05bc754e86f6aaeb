// The prepared sandboxes of one image: the socket at which they accept, and who they are.
#pragma once

#include <sys/types.h>

#include <cstdint>
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
  Fd socket;  // end of file: it has gone
  bool ready = false;
};

class Shelf {
 public:
  explicit Shelf(PoolImage image) : image_(std::move(image)) {}

  /** Makes the socket. */
  Status open(const Paths& paths);
  /** Forks one more member. */
  Status add(const Paths& paths, const std::string& cgroupParent);
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
  [[nodiscard]] bool isPreparing() const { return ready() < members_.size(); }

  /** A member could not be made: the next try comes later each time. */
  void failed(std::uint64_t now);
  void succeeded() { backoffUs_ = 0; }
  [[nodiscard]] bool mayTry(std::uint64_t now) const { return now >= nextTry_; }
  void countTaken() { taken_++; }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

 private:
  PoolImage image_;
  Fd listener_;
  std::vector<Idle> members_;
  std::uint64_t backoffUs_ = 0, nextTry_ = 0;  // microseconds, of the monotonic clock
  std::uint64_t taken_ = 0;
};

}  // namespace lightv
