// The prepared sandboxes of one image: the socket at which they accept, and who they are.
#pragma once

#include <sys/types.h>

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
  /** Nobody is found here any more; idle members go. */
  void close(const Paths& paths);
  /** Whoever waits while nobody can take him is sent away, to start by himself. Gives how many. */
  unsigned turnAway();

  [[nodiscard]] const PoolImage& image() const { return image_; }
  [[nodiscard]] int listener() const { return listener_.get(); }
  [[nodiscard]] std::vector<Idle>& members() { return members_; }
  [[nodiscard]] const std::vector<Idle>& members() const { return members_; }
  [[nodiscard]] std::size_t ready() const;

 private:
  PoolImage image_;
  Fd listener_;
  std::vector<Idle> members_;
};

}  // namespace lightv
