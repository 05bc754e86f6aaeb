#include "pool/demand.hpp"

#include <algorithm>
#include <cmath>

namespace lightv {
namespace {

double decayed(double peak, std::uint64_t last, std::uint64_t now) {
  return peak * std::exp2(-static_cast<double>(now - last) / static_cast<double>(Demand::kHalfLifeUs));
}

}  // namespace

void Demand::started(const std::string& image, std::uint64_t now) {
  if (seen_.size() >= kMostImages && seen_.count(image) == 0) {
    seen_.erase(std::min_element(seen_.begin(), seen_.end(),
                                 [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
  }
  Seen& seen = seen_[image];
  if (seen.inBurst == 0 || now - seen.burstStart > kBurstUs) {
    seen.burstStart = now;
    seen.inBurst = 0;
  }
  seen.inBurst++;
  seen.peak = std::max(decayed(seen.peak, seen.last, now), static_cast<double>(seen.inBurst));
  seen.last = now;
}

unsigned Demand::wishFor(const std::string& image) const {
  const auto found = wishes_.find(image);
  return found == wishes_.end() ? 0 : found->second;
}

// One more than the burst: while the last of them is taken, the next start shall still find one. Below a tenth the
// image has not been started for half an hour at least, and memory is worth more.
unsigned Demand::learned(const Seen& seen, std::uint64_t now) {
  constexpr double kForgotten = 0.1;
  const double peak = decayed(seen.peak, seen.last, now);
  return peak < kForgotten ? 0 : static_cast<unsigned>(std::ceil(peak)) + 1;
}

std::map<std::string, unsigned> Demand::wanted(std::uint64_t now, unsigned most) const {
  std::map<std::string, unsigned> given;
  unsigned left = most;
  const auto give = [&](const std::string& image, unsigned upTo) {
    unsigned& has = given[image];
    const unsigned more = std::min(left, upTo > has ? upTo - has : 0);
    has += more;
    left -= more;
  };
  for (const auto& [image, wish] : wishes_) give(image, wish);
  std::vector<const std::pair<const std::string, Seen>*> latest;
  for (const auto& entry : seen_) latest.push_back(&entry);
  std::stable_sort(latest.begin(), latest.end(),
                   [](const auto* a, const auto* b) { return a->second.last > b->second.last; });
  for (const auto* entry : latest) give(entry->first, std::min(1U, learned(entry->second, now)));
  for (const auto* entry : latest) give(entry->first, learned(entry->second, now));
  std::erase_if(given, [](const auto& entry) { return entry.second == 0; });
  return given;
}

}  // namespace lightv
