// What can't be prepared is tried ever more rarely, and stops nothing else.
#include "pool/backoff.hpp"

#include "pool_fixture.hpp"

using namespace pooltest;

namespace {

constexpr std::uint64_t kSecond = 1'000'000;

/** So many tries there can have been after so long: at once, and after 1, 3, 7, … seconds. */
std::uint64_t mostTries(std::uint64_t elapsedUs) {
  std::uint64_t tries = 1;
  for (std::uint64_t at = kSecond, wait = kSecond; at <= elapsedUs; at += wait) {
    tries++;
    wait = std::min(wait * 2, Backoff::kLongestUs);
  }
  return tries;
}

/** How often a process has gone to sleep. */
std::uint64_t sleepsOf(pid_t pid) {
  const Result<std::string> text = readFile("/proc/" + std::to_string(pid) + "/status");
  REQUIRE(text.ok());
  const std::string key = "\nvoluntary_ctxt_switches:";
  const std::size_t at = text->find(key);
  REQUIRE(at != std::string::npos);
  const std::string rest = text->substr(at + key.size());
  const auto count = parseInteger<std::uint64_t>(trim(rest.substr(0, rest.find('\n'))));
  REQUIRE(count.has_value());
  return *count;
}

std::uint64_t failuresOf(const Pool& pool) {
  const Result<PoolStatus> status = pool.ask();
  return status ? status->failures : 0;
}

/** A file in the store that is no image, and a wish for it. */
void wishForBroken(const Home& home) {
  const std::string digest = "sha256:" + std::string(64, '0');
  REQUIRE(makeDirs(home.paths().root + "/images").ok());
  REQUIRE(writeFileAtomic(home.engine().images().imagePath(digest), std::string(8192, 'x')).ok());
  REQUIRE(writeFileAtomic(wishesFile(home.paths()), digest + " 2\n").ok());
}

}  // namespace

TEST_CASE("backoff: each failure doubles the wait, a success ends it, and it is forgotten") {
  Backoff backoff;
  std::uint64_t now = 100 * kSecond;
  for (const std::uint64_t wait : {1, 2, 4, 8, 16, 32, 60, 60}) {
    backoff.failed("a", now);
    CHECK(backoff.nextTry("a") == now + wait * kSecond);
    now = backoff.nextTry("a");
  }
  CHECK(backoff.nextTry("b") == 0);
  backoff.prune(now + Backoff::kLongestUs);
  CHECK(backoff.size() == 1);
  backoff.prune(now + Backoff::kLongestUs + 1);
  CHECK(backoff.size() == 0);
  backoff.failed("a", now);
  CHECK(backoff.nextTry("a") == now + kSecond);
  backoff.succeeded("a");
  CHECK(backoff.nextTry("a") == 0);
}

TEST_CASE("shelf: a member that hangs while it is prepared goes, one that has stayed counts once") {
  Shelf shelf({}, {});
  CHECK_FALSE(shelf.preparingSince().has_value());
  shelf.members().push_back({.since = 10, .ready = true});
  shelf.members().push_back({.since = 20});
  CHECK(shelf.preparingSince() == 20);
  CHECK(shelf.dropHung(19) == 0);
  CHECK(shelf.dropHung(20) == 1);
  CHECK(shelf.members().size() == 1);
  CHECK_FALSE(shelf.prove(9));
  CHECK(shelf.prove(10));
  CHECK_FALSE(shelf.prove(10));
}

TEST_CASE("pool: a wished image that can't be mounted is tried ever more rarely, and the others are ready") {
  if (!canRun()) return;
  const Home home;
  wishForBroken(home);
  const std::uint64_t start = monotonicUs();
  const Pool pool(home, 2);
  REQUIRE(eventually([&] { return failuresOf(pool) >= 3; }));
  const std::uint64_t failures = failuresOf(pool);
  CHECK(failures <= mostTries(monotonicUs() - start));
  CHECK_FALSE(pool.ask()->lastFailure.empty());
  // Until the next try the keeper sleeps, but for its looks.
  const std::uint64_t before = sleepsOf(pool.pid());
  ::usleep(1'000'000);
  CHECK(sleepsOf(pool.pid()) - before < 50);
}

TEST_CASE("pool: prepared sandboxes that end as soon as they are ready are made ever more rarely") {
  if (!canRun()) return;
  const Home home;
  const std::uint64_t start = monotonicUs();
  const Pool pool(home, 1);
  REQUIRE(eventually([&] {
    const Result<PoolStatus> status = pool.ask();
    if (status && !status->images.empty() && status->images[0].ready > 0) {
      for (const pid_t pid : pool.idle()) (void)::kill(pid, SIGKILL);
    }
    return status && status->failures >= 3;
  }));
  CHECK(failuresOf(pool) <= mostTries(monotonicUs() - start));
  CHECK(pool.awaitReady(1));
}

TEST_CASE("pool: an image that goes and comes back at once is mounted anew") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 1);
  const std::vector<pid_t> old = pool.idle();
  REQUIRE(home.engine().images().removeImage(pool.digest()).ok());
  REQUIRE(storeImage(home) == pool.digest());
  CHECK(eventually([&] {
    const std::vector<pid_t> now = pool.idle();
    return now.size() == 1 && now != old;
  }));
  CHECK(pool.awaitReady(1));
  CHECK(runPrepared(home, pool.shell("true")).prepared);
}
