// lightv-runtime: keeps prepared sandboxes ready. One process that only forks and counts; it may be killed at any time:
// what runs goes on, idle members leave, and starts are slower until it is back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "pool/backoff.hpp"
#include "pool/demand.hpp"
#include "pool/shelf.hpp"
#include "pool/status.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

struct KeeperOptions {
  std::string cgroupParent;
  unsigned most = 0;                     // idle members, all images together; 0: by the machine's memory
  std::map<std::string, unsigned> warm;  // image to number, besides what wishesFile() says
};

class Keeper {
 public:
  Keeper(Engine engine, KeeperOptions options) : engine_(std::move(engine)), options_(std::move(options)) {}

  /** Makes RUN/pool and clears what an earlier keeper left. EBUSY: another one is at it. */
  Status open();
  /** Until SIGTERM or SIGINT; then no member is left, but what they became. */
  Status serve();

 private:
  /** Before when a step of a kind is not due, microseconds of the monotonic clock. */
  struct Due {
    std::uint64_t refill = 0, look = 0;
  };

  void turn();
  [[nodiscard]] int timeLeft() const;
  void hear(Shelf& shelf, Idle& idle);
  void answer();
  void look();
  void plan();
  void refill(std::uint64_t now);
  void fail(const std::string& digest, std::string why);
  void proveMembers(std::uint64_t now);
  void dropHung(std::uint64_t now);
  Status openShelf(const std::string& digest);
  void closeAll();
  void readWishes();
  [[nodiscard]] PoolStatus status() const;
  [[nodiscard]] std::uint64_t refillAt(std::uint64_t now) const;
  [[nodiscard]] std::uint64_t giveUpAt() const;

  Engine engine_;
  KeeperOptions options_;
  PoolPlace place_;
  Demand demand_;
  Backoff backoff_;
  std::map<std::string, std::unique_ptr<Shelf>> shelves_;  // by digest
  std::map<std::string, unsigned> wanted_;
  Fd lock_, signals_, control_;
  Due due_;
  std::uint64_t quietSince_ = 0;
  std::uint64_t taken_ = 0, missed_ = 0, failures_ = 0;
  std::string lastFailure_;
  bool paused_ = false;
  bool apart_ = false;  // in a mount namespace of its own
  bool over_ = false;
};

}  // namespace lightv
