#include "monitor/log_rate.hpp"

#include <algorithm>

namespace lightv {
namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;

}  // namespace

void LogRate::refill(std::uint64_t nowUs) {
  if (atUs_ == 0) atUs_ = nowUs;
  if (nowUs <= atUs_) return;
  // After a minute of quiet any bucket is full or as good as: no product of long times and rates.
  const std::uint64_t elapsed = std::min(nowUs - atUs_, 60 * kSecondUs);
  std::uint64_t more = 0;
  if (__builtin_mul_overflow(rate_, elapsed, &more)) more = burst_ * kSecondUs;
  more /= kSecondUs;
  // A refill of nothing must not eat the time in which a slow rate gathers its first byte.
  if (more == 0) return;
  tokens_ = std::min(burst_, tokens_ + std::min(more, burst_));
  atUs_ = nowUs;
}

bool LogRate::take(std::size_t bytes, std::uint64_t nowUs) {
  if (rate_ == 0) return true;
  refill(nowUs);
  if (closed_ && tokens_ < enough()) return false;
  closed_ = tokens_ < bytes;
  if (closed_) return false;
  tokens_ -= bytes;
  return true;
}

std::uint64_t LogRate::opensAtUs() const {
  const std::uint64_t missing = enough() - std::min(tokens_, enough());
  return atUs_ + missing * kSecondUs / std::max<std::uint64_t>(rate_, 1) + 1;
}

void LogRate::change(const LogOptions& options, std::uint64_t nowUs) {
  if (rate_ != 0) refill(nowUs);
  rate_ = options.rateBytes;
  burst_ = options.burstBytes;
  tokens_ = std::min(tokens_, burst_);
  if (rate_ == 0) closed_ = false;
}

}  // namespace lightv
