// Strings and the numbers that people write, as Docker reads them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lightv {

/** "a,,b" by ',' is {"a","","b"}; an empty text is {""}; at most `limit` pieces when it is not 0, the last takes the
 * rest. */
std::vector<std::string> split(std::string_view text, char separator, std::size_t limit = 0);
/** Without white space (space, tab, CR, LF) at both ends; a view into `text`. */
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& pieces, std::string_view separator);
std::string toLower(std::string_view text);
std::string toUpper(std::string_view text);
/** An absolute path without empty parts, "." and a "/" at its end; ".." stays, as only a file system knows where it
 * leads. */
std::string cleanPath(std::string_view path);
/** Is the absolute `path` the directory `top` or below it, by its name alone? Neither has "." or ".." as a part. */
bool isWithin(std::string_view path, std::string_view top);

/** The whole text as a decimal integer of that type, without sign for unsigned ones; nothing else, no white space. */
template <class T>
std::optional<T> parseInteger(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/** Bytes: "1024", "512m", "1.5g", "64KiB", "10 MB": powers of 1024 as in `docker run --memory`. Not negative. */
std::optional<std::uint64_t> parseSize(std::string_view text);
/** Nanoseconds: "10s", "1m30s", "1.5h", "100ms", as Go's time.ParseDuration; "0" is fine. Not negative. */
std::optional<std::uint64_t> parseDuration(std::string_view text);
/** Thousandths: "1.5" -> 1500, "0.25" -> 250, as in `--cpus`. More than three decimals are cut. */
std::optional<std::uint64_t> parseMilli(std::string_view text);

}  // namespace lightv
