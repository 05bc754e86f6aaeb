#include "cli/units.hpp"

#include <array>
#include <cstdio>
#include <span>

#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

std::string scaled(std::uint64_t bytes, double base, int digits, std::span<const char* const> units) {
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= base && unit + 1 < units.size()) {
    size /= base;
    ++unit;
  }
  std::array<char, 48> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*g%s", digits, size, units[unit]);
  return text.data();
}

}  // namespace

std::string binarySize(std::uint64_t bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return scaled(bytes, 1024, 4, units);
}

std::string decimalSize(std::uint64_t bytes) {
  constexpr std::array units = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  return scaled(bytes, 1000, 3, units);
}

std::string roughDuration(std::int64_t seconds) {
  const auto count = [](std::int64_t number, const char* unit) { return std::to_string(number) + " " + unit; };
  constexpr std::int64_t minute = 60, hour = 3600, day = 24;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < minute) return count(seconds, "seconds");
  if (seconds < 2 * minute) return "About a minute";
  if (seconds < hour) return count(seconds / minute, "minutes");
  const std::int64_t hours = (seconds + hour / 2) / hour;
  if (hours == 1) return "About an hour";
  if (hours < 2 * day) return count(hours, "hours");
  if (hours < day * 7 * 2) return count(hours / day, "days");
  if (hours < day * 30 * 2) return count(hours / day / 7, "weeks");
  if (hours < day * 365 * 2) return count(hours / day / 30, "months");
  return count(seconds / hour / day / 365, "years");
}

std::string ago(std::string_view time, std::int64_t now) {
  const auto then = parseTime(time);
  return then ? roughDuration(now - then->seconds) + " ago" : "N/A";
}

std::string percent(double value) {
  std::array<char, 48> text{};
  (void)std::snprintf(text.data(), text.size(), "%.2f%%", value);
  return text.data();
}

bool parsePointInTime(std::string_view text, std::int64_t nowSeconds, std::int64_t& seconds,
                      std::uint32_t& nanoseconds) {
  nanoseconds = 0;
  std::string full(text);
  if (full.size() == 10 && full.find('-') == 4) full += "T00:00:00";
  // Docker takes times without a zone as local; devices run on UTC, and so do we.
  if (full.size() == 19 && full[10] == 'T') full += "Z";
  if (const auto time = parseTime(full)) {
    seconds = time->seconds;
    nanoseconds = time->nanoseconds;
    return true;
  }
  const std::size_t dot = text.find('.');
  if (const auto unix = parseInteger<std::int64_t>(text.substr(0, dot))) {
    std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
    fraction.resize(9, '0');
    const auto nanos = parseInteger<std::uint32_t>(fraction);
    seconds = *unix;
    nanoseconds = nanos.value_or(0);
    return nanos.has_value();
  }
  const auto duration = parseDuration(text);
  if (!duration) return false;
  constexpr std::int64_t second = 1'000'000'000;
  // A fraction of a second more reaches further back: never hides a line that was asked for.
  seconds = nowSeconds - (static_cast<std::int64_t>(*duration) + second - 1) / second;
  return true;
}

}  // namespace lightv::cli
