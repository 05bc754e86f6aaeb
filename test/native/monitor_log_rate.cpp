// How much a log may take: the bucket by itself, what the log says of what was dropped, and how a flood is read.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "lv_builder.hpp"
#include "monitor/log_writer.hpp"
#include "monitor/output.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

using namespace lightv;

namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;
constexpr LogOptions kSlow{.rateBytes = 100'000, .burstBytes = 200'000};

/** How many pieces of 1,000 bytes get through at `nowUs`. */
int through(LogRate& rate, std::uint64_t nowUs, int most = 10'000) {
  int count = 0;
  while (count < most && rate.take(1000, nowUs)) count++;
  return count;
}

}  // namespace

TEST_CASE("log rate: a burst at first, then a second's worth each second, and never more than the burst is saved up") {
  LogRate rate(kSlow);
  CHECK(through(rate, kSecondUs) == 200);
  CHECK(rate.isClosed());
  CHECK(rate.opensAtUs() > kSecondUs);
  CHECK_FALSE(rate.take(1, kSecondUs + kSecondUs / 2));
  CHECK(through(rate, 2 * kSecondUs + 10) == 100);
  CHECK(through(rate, 3 * kSecondUs + 20) == 100);
  CHECK(through(rate, 1000 * kSecondUs) == 200);
}

TEST_CASE("log rate: a rate of a byte a second still gathers, in however small steps it is asked") {
  LogRate rate({.rateBytes = 1, .burstBytes = 65'536});
  CHECK(rate.take(65'536, 1));
  CHECK_FALSE(rate.take(1, 2));
  bool opened = false;
  std::uint64_t now = 3;
  for (; now < 20'000 * kSecondUs && !opened; now += kSecondUs / 2) opened = rate.take(1, now);
  CHECK(opened);
  // Not before a line of any length has room.
  CHECK(now > 16'384 * kSecondUs);
}

TEST_CASE("log rate: without a bound all gets through, and a change counts at once") {
  LogRate rate({.rateBytes = 0});
  CHECK(through(rate, kSecondUs) == 10'000);
  rate.change(kSlow, kSecondUs);
  CHECK(through(rate, kSecondUs) <= 8389);
  CHECK(rate.isClosed());
  rate.change({.rateBytes = 0}, kSecondUs);
  CHECK_FALSE(rate.isClosed());
}

TEST_CASE(
    "log: what comes too fast is dropped, counted, and told; the files never have more than burst and rate allow") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), {.maxSizeBytes = 64U << 20, .rateBytes = 65'536, .burstBytes = 65'536});
  REQUIRE(log.open().ok());
  const std::string line(200, 'x');
  for (int i = 0; i < 5000; i++) log.write(Stream::out, line + "\n");
  CHECK(log.isFlooded());
  CHECK(log.drops().lines > 4000);
  CHECK(log.owesAtUs() > 0);
  const std::uint64_t lost = log.drops().lines;
  // No more output comes: the count is told all the same.
  log.end(Stream::out);
  CHECK(log.owesAtUs() == 0);
  const auto text = readFile(home.at("log/log"), 64U << 20);
  REQUIRE(text.ok());
  CHECK(text->size() < 80'000);
  const std::string told = "stderr F [lightv] " + std::to_string(lost) + " log lines (";
  CHECK(text->find(told) != std::string::npos);
  CHECK(text->find(" bytes) were dropped: more than 65536 bytes a second\n") != std::string::npos);
}

TEST_CASE("log: when it may write again it says first what is missing, also if nothing more comes") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), {.rateBytes = 256U << 10, .burstBytes = 65'536});
  REQUIRE(log.open().ok());
  for (int i = 0; i < 50'000 && log.drops().lines == 0; i++) log.write(Stream::out, "a line of a flood of lines\n");
  REQUIRE(log.drops().lines > 0);
  while (log.owesAtUs() != 0) {
    ::usleep(1000);
    log.settle();
  }
  const auto text = readFile(home.at("log/log"));
  REQUIRE(text.ok());
  CHECK(text->ends_with(" bytes) were dropped: more than 262144 bytes a second\n"));
}

TEST_CASE("output: a flood that nobody reads but a full log rests between two reads; a client is not kept waiting") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), {.rateBytes = 1024, .burstBytes = 65'536});
  REQUIRE(log.open().ok());
  Output output(log, Stream::out);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const Fd feed(ends[1]);
  output.open(Fd(ends[0]));
  const std::string lines(16'384, '\n');
  for (int i = 0; i < 20 && output.restsUntilUs() == 0; i++) {
    REQUIRE(::write(feed.get(), lines.data(), lines.size()) > 0);
    output.pump();
  }
  CHECK(output.restsUntilUs() > 0);
  CHECK(output.readable() == -1);
  ::usleep(10'000);
  CHECK(output.restsUntilUs() == 0);
  CHECK(output.readable() == ends[0]);
  const Fd client(::open("/dev/null", O_WRONLY));
  output.attach(1, Fd(::dup(client.get())));
  REQUIRE(::write(feed.get(), lines.data(), lines.size()) > 0);
  output.pump();
  CHECK(output.readable() == ends[0]);
}
