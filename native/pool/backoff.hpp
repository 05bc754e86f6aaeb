// When an image may be tried again of which no sandbox could be prepared. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace lightv {

/** Times are microseconds of the monotonic clock. */
class Backoff {
 public:
  static constexpr std::uint64_t kFirstUs = 1'000'000;
  static constexpr std::uint64_t kLongestUs = 60'000'000;

  /** The next try comes later each time. */
  void failed(const std::string& image, std::uint64_t now);
  void succeeded(const std::string& image) { waits_.erase(image); }
  /** 0: at once. */
  [[nodiscard]] std::uint64_t nextTry(const std::string& image) const;
  /** Forgets images that nobody has tried for long, though he could. */
  void prune(std::uint64_t now);
  [[nodiscard]] std::size_t size() const { return waits_.size(); }

 private:
  struct Wait {
    std::uint64_t length = 0, end = 0;
  };
  std::map<std::string, Wait> waits_;
};

}  // namespace lightv
