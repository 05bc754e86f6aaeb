// lightv-runtime: keeps prepared sandboxes ready. One process that only forks and counts; it may be killed at any time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "pool/shelf.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

struct KeeperOptions {
  std::string cgroupParent;
  std::vector<std::pair<std::string, unsigned>> warm;  // image, how many
};

class Keeper {
 public:
  Keeper(Engine engine, KeeperOptions options) : engine_(std::move(engine)), options_(std::move(options)) {}

  /** Makes RUN/pool and clears what an earlier keeper left there. */
  Status open();
  /** Until SIGTERM or SIGINT. */
  Status serve();

 private:
  void turn();
  void hear(Shelf& shelf, Idle& idle);
  void refill();

  Engine engine_;
  KeeperOptions options_;
  std::vector<std::pair<Shelf, unsigned>> shelves_;
  Fd signals_;
  std::uint64_t quietSinceUs_ = 0;
  bool over_ = false;
};

}  // namespace lightv
