#include "sys/text.hpp"

#include <algorithm>
#include <limits>

namespace lightv {
namespace {

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

/** A decimal number as whole + fraction/scale; nine decimals are enough for every unit here. */
struct Decimal {
  std::uint64_t whole = 0, fraction = 0, scale = 1;

  /** The number times `unit`, absent when it does not fit into 64 bits. */
  [[nodiscard]] std::optional<std::uint64_t> times(std::uint64_t unit) const {
    std::uint64_t result = 0;
    if (__builtin_mul_overflow(whole, unit, &result)) return std::nullopt;
    const auto rest = static_cast<std::uint64_t>(static_cast<unsigned __int128>(fraction) * unit / scale);
    if (__builtin_add_overflow(result, rest, &result)) return std::nullopt;
    return result;
  }
};

/** Takes "12", "1.5" or ".5" from the front of `text`. */
std::optional<Decimal> takeDecimal(std::string_view& text) {
  Decimal number;
  std::size_t digits = 0;
  for (; !text.empty() && isDigit(text.front()); text.remove_prefix(1), digits++) {
    if (__builtin_mul_overflow(number.whole, 10U, &number.whole)) return std::nullopt;
    if (__builtin_add_overflow(number.whole, static_cast<std::uint64_t>(text.front() - '0'), &number.whole)) {
      return std::nullopt;
    }
  }
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    for (; !text.empty() && isDigit(text.front()); text.remove_prefix(1), digits++) {
      if (number.scale >= 1'000'000'000) continue;
      number.fraction = number.fraction * 10 + static_cast<std::uint64_t>(text.front() - '0');
      number.scale *= 10;
    }
  }
  if (digits == 0) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> durationUnit(std::string_view name) {
  if (name == "ns") return 1;
  if (name == "us" || name == "\xC2\xB5s") return 1'000;
  if (name == "ms") return 1'000'000;
  if (name == "s") return 1'000'000'000;
  if (name == "m") return 60'000'000'000;
  if (name == "h") return 3'600'000'000'000;
  return std::nullopt;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator, std::size_t limit) {
  std::vector<std::string> pieces;
  for (;;) {
    const std::size_t at = limit != 0 && pieces.size() + 1 == limit ? std::string_view::npos : text.find(separator);
    pieces.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const std::size_t first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

std::string join(const std::vector<std::string>& pieces, std::string_view separator) {
  std::string text;
  for (const std::string& piece : pieces) {
    if (&piece != &pieces.front()) text += separator;
    text += piece;
  }
  return text;
}

std::string toLower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(), lower);
  return copy;
}

std::string toUpper(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(), upper);
  return copy;
}

std::string cleanPath(std::string_view path) {
  std::string clean;
  for (const std::string& part : split(path, '/')) {
    if (!part.empty() && part != ".") clean += "/" + part;
  }
  return clean.empty() ? "/" : clean;
}

bool isWithin(std::string_view path, std::string_view top) {
  while (top.ends_with('/')) top.remove_suffix(1);
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

std::optional<std::uint64_t> parseSize(std::string_view text) {
  const std::optional<Decimal> number = takeDecimal(text);
  if (!number) return std::nullopt;
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  std::string unit = toLower(text);
  if (unit.size() > 1 && unit.back() == 'b') unit.pop_back();
  if (unit.size() > 1 && unit.back() == 'i') unit.pop_back();
  if (unit.empty() || unit == "b") return number->times(1);
  constexpr std::string_view units = "kmgtp";
  const std::size_t power = unit.size() == 1 ? units.find(unit.front()) : std::string_view::npos;
  if (power == std::string_view::npos) return std::nullopt;
  return number->times(1ULL << (10 * (power + 1)));
}

std::optional<std::uint64_t> parseDuration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  while (!text.empty()) {
    const std::optional<Decimal> number = takeDecimal(text);
    if (!number) return std::nullopt;
    std::size_t length = 0;
    while (length < text.size() && !isDigit(text[length]) && text[length] != '.') length++;
    const std::optional<std::uint64_t> unit = durationUnit(text.substr(0, length));
    const std::optional<std::uint64_t> part = unit ? number->times(*unit) : std::nullopt;
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
    text.remove_prefix(length);
  }
  return total;
}

std::optional<std::uint64_t> parseMilli(std::string_view text) {
  const std::optional<Decimal> number = takeDecimal(text);
  if (!number || !text.empty()) return std::nullopt;
  return number->times(1000);
}

}  // namespace lightv
