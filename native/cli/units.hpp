// Numbers and times as `docker` writes them (github.com/docker/go-units).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lightv::cli {

/** "512B", "1.5MiB", "3.815GiB": powers of 1024, four digits. */
std::string binarySize(std::uint64_t bytes);
/** "12.3kB", "1.02GB": powers of 1000, three digits. */
std::string decimalSize(std::uint64_t bytes);
/** "Less than a second", "5 seconds", "About a minute", "3 hours", "2 weeks". */
std::string roughDuration(std::int64_t seconds);
/** roughDuration from an RFC 3339 time until `now` (seconds since 1970) and " ago"; "N/A" when it is none. */
std::string ago(std::string_view time, std::int64_t now);
/** "12.34%" */
std::string percent(double value);

/** Times of `logs --since`: RFC 3339, seconds since 1970 (also with a fraction), a date, or a duration back from now.
 */
bool parsePointInTime(std::string_view text, std::int64_t nowSeconds, std::int64_t& seconds,
                      std::uint32_t& nanoseconds);

}  // namespace lightv::cli
