#include "sys/time.hpp"

#include <ctime>

namespace lightv {
namespace {

// Days since 1970-01-01 of a civil date and back: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
// gmtime(3) and timegm(3) would do too, but take the time zone's lock and, in a static binary, its files.
std::int64_t daysOf(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto yearOfEra = static_cast<unsigned>(year - era * 400);
  const unsigned dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return era * 146097 + static_cast<std::int64_t>(dayOfEra) - 719468;
}

struct Date {
  std::int64_t year = 0;
  unsigned month = 0, day = 0;
};

Date dateOf(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto dayOfEra = static_cast<unsigned>(days - era * 146097);
  const unsigned yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  const unsigned dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const unsigned shifted = (5 * dayOfYear + 2) / 153;
  Date date;
  date.day = dayOfYear - (153 * shifted + 2) / 5 + 1;
  date.month = shifted < 10 ? shifted + 3 : shifted - 9;
  date.year = static_cast<std::int64_t>(yearOfEra) + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

char* digits(char* out, std::uint64_t value, unsigned width) {
  for (unsigned i = width; i > 0; i--, value /= 10) out[i - 1] = static_cast<char>('0' + value % 10);
  return out + width;
}

bool isLeap(std::uint64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned daysIn(std::uint64_t year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && isLeap(year) ? 29 : kDays[month - 1];
}

/** A cursor over text that fails once and stays failed. */
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  unsigned number(unsigned width) {
    unsigned value = 0;
    for (unsigned i = 0; i < width; i++) {
      const char c = next();
      if (c < '0' || c > '9') return fail();
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
  }
  void literal(char wanted) {
    if (next() != wanted) fail();
  }
  char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool done() const { return ok_ && at_ == text_.size(); }
  unsigned fail() {
    ok_ = false;
    return 0;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

std::uint32_t readFraction(Reader& in) {
  if (in.peek() != '.') return 0;
  in.next();
  std::uint32_t value = 0;
  unsigned count = 0;
  for (; in.peek() >= '0' && in.peek() <= '9'; count++) {
    if (count == 9) return in.fail();
    value = value * 10 + static_cast<std::uint32_t>(in.next() - '0');
  }
  if (count == 0) return in.fail();
  for (; count < 9; count++) value *= 10;
  return value;
}

/** Seconds east of UTC. */
std::int64_t readZone(Reader& in) {
  const char sign = in.next();
  if (sign == 'Z' || sign == 'z') return 0;
  if (sign != '+' && sign != '-') return in.fail();
  const unsigned hours = in.number(2);
  in.literal(':');
  const unsigned minutes = in.number(2);
  if (hours > 23 || minutes > 59) return in.fail();
  const std::int64_t seconds = std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
  return sign == '-' ? -seconds : seconds;
}

}  // namespace

std::uint64_t monotonicUs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

WallTime wallNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

void formatTime(WallTime time, char (&out)[kTimeLength + 1]) {
  constexpr std::int64_t kFirst = -62167219200;  // 0000-01-01T00:00:00Z
  constexpr std::int64_t kLast = 253402300799;   // 9999-12-31T23:59:59Z
  const std::int64_t at = time.seconds < kFirst ? kFirst : time.seconds > kLast ? kLast : time.seconds;
  std::int64_t days = at / 86400;
  std::int64_t rest = at % 86400;
  if (rest < 0) {
    rest += 86400;
    days--;
  }
  const Date date = dateOf(days);
  char* cursor = digits(out, static_cast<std::uint64_t>(date.year), 4);
  *cursor++ = '-';
  cursor = digits(cursor, date.month, 2);
  *cursor++ = '-';
  cursor = digits(cursor, date.day, 2);
  *cursor++ = 'T';
  cursor = digits(cursor, static_cast<std::uint64_t>(rest / 3600), 2);
  *cursor++ = ':';
  cursor = digits(cursor, static_cast<std::uint64_t>(rest / 60 % 60), 2);
  *cursor++ = ':';
  cursor = digits(cursor, static_cast<std::uint64_t>(rest % 60), 2);
  *cursor++ = '.';
  cursor = digits(cursor, time.nanoseconds, 9);
  *cursor++ = 'Z';
  *cursor = '\0';
}

std::string formatTime(WallTime time) {
  char text[kTimeLength + 1];
  formatTime(time, text);
  return text;
}

std::string timeNow() {
  return formatTime(wallNow());
}

std::optional<WallTime> parseTime(std::string_view text) {
  Reader in(text);
  const unsigned year = in.number(4);
  in.literal('-');
  const unsigned month = in.number(2);
  in.literal('-');
  const unsigned day = in.number(2);
  const char separator = in.next();
  const unsigned hour = in.number(2);
  in.literal(':');
  const unsigned minute = in.number(2);
  in.literal(':');
  const unsigned second = in.number(2);
  const std::uint32_t fraction = readFraction(in);
  const std::int64_t zone = readZone(in);
  if (!in.done() || (separator != 'T' && separator != 't' && separator != ' ')) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t seconds =
      daysOf(year, month, day) * 86400 + std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second - zone;
  return WallTime{seconds, fraction};
}

}  // namespace lightv
