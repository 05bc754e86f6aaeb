// The clock is set forward when it is surely wrong, and never otherwise.
#include "sys/clock_floor.hpp"

#include <doctest/doctest.h>

#include "cli/shutdown.hpp"

using namespace lightv;

TEST_CASE("clock floor: a clock before the build or the stored time goes to the later of them, any other stays") {
  constexpr std::int64_t build = 1'800'000'000;
  CHECK(*clockStep(0, build, std::nullopt) == build);
  CHECK(*clockStep(-5, build, std::nullopt) == build);
  CHECK(*clockStep(0, build, build + 1000) == build + 1000);
  CHECK(*clockStep(build + 1, build, build + 1000) == build + 1000);
  CHECK(*clockStep(0, build, build - 1000) == build);
  CHECK_FALSE(clockStep(build, build, std::nullopt).has_value());
  CHECK_FALSE(clockStep(build + 1000, build, build + 1000).has_value());
  CHECK_FALSE(clockStep(build + 500'000'000, build, build + 1000).has_value());
}

TEST_CASE("clock floor: a stored time that can't be true is as none") {
  constexpr std::int64_t build = 1'800'000'000;
  CHECK_FALSE(clockStep(build + 1, build, build * 2).has_value());
  CHECK(*clockStep(0, build, build * 2) == build);
  CHECK(*clockStep(0, build, -1) == build);
}

TEST_CASE("clock floor: this build has a time") {
  CHECK(buildTimeSeconds() > 1'000'000'000);
}

TEST_CASE("shutdown: only the manager's own word for it counts") {
  CHECK(cli::saysShuttingDown("stopping\n"));
  for (const char* other : {"", "running\n", "degraded\n", "starting\n", "offline\n", "stopping soon\n"}) {
    CHECK_FALSE(cli::saysShuttingDown(other));
  }
}
