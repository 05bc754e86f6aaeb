// How much a log may take: bytes a second and a burst above it, as a token bucket. Pure: time arrives as an argument.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/spec.hpp"

namespace lightv {

/** What a log has lost so far, over all runs of its monitor. */
struct LogDrops {
  std::uint64_t lines = 0, bytes = 0;
  bool operator==(const LogDrops&) const = default;
};

class LogRate {
 public:
  explicit LogRate(const LogOptions& options)
      : rate_(options.rateBytes), burst_(options.burstBytes), tokens_(options.burstBytes) {}

  /** May `bytes` be written at `nowUs`? Once it was no, it is no until a second's worth, or a longest line's, has come
   * together: so what was dropped is told once a second, not between any two lines. */
  [[nodiscard]] bool take(std::size_t bytes, std::uint64_t nowUs);
  /** Nothing is taken at the moment. */
  [[nodiscard]] bool isClosed() const { return closed_; }
  /** When a second's worth will be there again, in microseconds of the monotonic clock; only while it is closed. */
  [[nodiscard]] std::uint64_t opensAtUs() const;
  /** Other bounds from now on; a burst that is smaller cuts what has been saved up. */
  void change(const LogOptions& options, std::uint64_t nowUs);

 private:
  static constexpr std::uint64_t kLongestLine = 17U << 10;  // LogWriter::kMaxText and what stands before it

  void refill(std::uint64_t nowUs);
  /** A second's worth, but a line of any length must fit: else a slow rate would open and close at every line. */
  [[nodiscard]] std::uint64_t enough() const { return std::min(burst_, std::max(rate_, kLongestLine)); }

  std::uint64_t rate_, burst_;  // rate 0: no bound
  std::uint64_t tokens_;
  std::uint64_t atUs_ = 0;  // of the last refill
  bool closed_ = false;
};

}  // namespace lightv
