#include "pool/backoff.hpp"

#include <algorithm>

namespace lightv {

void Backoff::failed(const std::string& image, std::uint64_t now) {
  Wait& wait = waits_[image];
  wait.length = wait.length == 0 ? kFirstUs : std::min(wait.length * 2, kLongestUs);
  wait.end = now + wait.length;
}

std::uint64_t Backoff::nextTry(const std::string& image) const {
  const auto found = waits_.find(image);
  return found == waits_.end() ? 0 : found->second.end;
}

void Backoff::prune(std::uint64_t now) {
  std::erase_if(waits_, [now](const auto& entry) { return now > entry.second.end + kLongestUs; });
}

}  // namespace lightv
