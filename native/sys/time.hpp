// Clocks, and points in time as text. RFC 3339 with nanoseconds, always UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lightv {

/** A point in time by the wall clock, since 1970. */
struct WallTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  bool operator==(const WallTime&) const = default;
};

/** Microseconds of CLOCK_MONOTONIC: only differences mean anything. */
std::uint64_t monotonicUs();

WallTime wallNow();

/** Length of what formatTime writes: `2026-01-02T03:04:05.123456789Z`. */
constexpr unsigned kTimeLength = 30;
/** Years 0 to 9999; others are clamped to the nearest. Locale and time zone play no part, and nothing is allocated. */
void formatTime(WallTime time, char (&out)[kTimeLength + 1]);
std::string formatTime(WallTime time);
/** `formatTime(wallNow())` */
std::string timeNow();

/** Any RFC 3339 time (section 5.6: zone offsets, 0 to 9 fraction digits, a leap second counts as the next one); absent
 * when it is none. */
std::optional<WallTime> parseTime(std::string_view text);

}  // namespace lightv
