#include "sys/clock_floor.hpp"

#include <algorithm>

#include "version.hpp"

namespace lightv {

std::int64_t buildTimeSeconds() {
  return LIGHTV_BUILD_TIME;
}

std::optional<std::int64_t> clockStep(std::int64_t now, std::int64_t built, std::optional<std::int64_t> stored) {
  constexpr std::int64_t kBelieved = std::int64_t{30} * 366 * 86400;
  std::int64_t floor = built;
  if (stored && *stored <= built + kBelieved) floor = std::max(floor, *stored);
  if (now >= floor) return std::nullopt;
  return floor;
}

}  // namespace lightv
