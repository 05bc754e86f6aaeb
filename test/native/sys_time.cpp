#include "sys/time.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <ctime>

using namespace lightv;

TEST_CASE("time: what is written reads back, to the nanosecond, also before 1970") {
  for (const std::int64_t seconds : {0LL, 1LL, -1LL, 951782400LL, 1709164800LL, -62167219200LL, 253402300799LL}) {
    const WallTime time{seconds, 123456789};
    const auto read = parseTime(formatTime(time));
    REQUIRE(read.has_value());
    CHECK(*read == time);
  }
}

TEST_CASE("time: dates are the C library's, over four centuries") {
  for (std::int64_t day = -80000; day < 80000; day += 7) {
    const time_t seconds = day * 86400 + 3661;
    struct tm parts {};
    REQUIRE(::gmtime_r(&seconds, &parts) != nullptr);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000007Z", &parts);
    CHECK(formatTime({seconds, 7}) == text);
  }
}

TEST_CASE("time: zones, fractions and leap seconds of RFC 3339 are understood") {
  CHECK(*parseTime("1985-04-12T23:20:50.52Z") == WallTime{482196050, 520000000});
  CHECK(*parseTime("1996-12-19T16:39:57-08:00") == WallTime{851042397, 0});
  CHECK(*parseTime("1990-12-31T23:59:60Z") == *parseTime("1991-01-01T00:00:00Z"));
  CHECK(*parseTime("1937-01-01t12:00:27.87+00:20") == *parseTime("1937-01-01 11:40:27.870000000z"));
}

TEST_CASE("time: what is no time is refused") {
  for (const char* text :
       {"", "2026", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx", "+026-01-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z"}) {
    INFO(text);
    CHECK_FALSE(parseTime(text).has_value());
  }
  CHECK(parseTime("2024-02-29T00:00:00Z").has_value());
  CHECK_FALSE(parseTime("2100-02-29T00:00:00Z").has_value());
}

TEST_CASE("time: years that four digits can't say are clamped, and the length is always the same") {
  CHECK(formatTime({INT64_MAX, 0}) == "9999-12-31T23:59:59.000000000Z");
  CHECK(formatTime({INT64_MIN, 0}) == "0000-01-01T00:00:00.000000000Z");
  CHECK(timeNow().size() == kTimeLength);
}
