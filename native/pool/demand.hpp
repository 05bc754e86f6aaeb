// How many prepared sandboxes of an image are wanted, learned from what is started. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lightv {

/** Times are microseconds of the monotonic clock. */
class Demand {
 public:
  /** Starts within so long count as one burst, which the next one shall find ready. */
  static constexpr std::uint64_t kBurstUs = 1'000'000;
  /** After so long without a start half of what was learned is forgotten. */
  static constexpr std::uint64_t kHalfLifeUs = 600'000'000;
  /** As many images as are remembered; the one that was started longest ago goes. */
  static constexpr std::size_t kMostImages = 64;

  /** `image` has been started, by a prepared sandbox or without one. */
  void started(const std::string& image, std::uint64_t now);
  /** What somebody has asked for, besides what is learned: a number for each image, none for the rest. */
  void setWishes(std::map<std::string, unsigned> wishes) { wishes_ = std::move(wishes); }
  [[nodiscard]] unsigned wishFor(const std::string& image) const;
  void forget(const std::string& image) { seen_.erase(image); }

  /** For each image, at most `most` in all: wishes first, then one each, the latest first, then by burst. */
  [[nodiscard]] std::map<std::string, unsigned> wanted(std::uint64_t now, unsigned most) const;

 private:
  struct Seen {
    std::uint64_t burstStart = 0, last = 0;
    unsigned inBurst = 0;
    double peak = 0;  // at `last`
  };
  [[nodiscard]] static unsigned learned(const Seen& seen, std::uint64_t now);

  std::map<std::string, Seen> seen_;
  std::map<std::string, unsigned> wishes_;
};

}  // namespace lightv
