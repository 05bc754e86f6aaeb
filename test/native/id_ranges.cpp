// Ranges of the host's ids: where they may lie, and that no two sandboxes ever have the same.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "lv_builder.hpp"
#include "monitor/id_area.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/lock.hpp"
#include "sys/file.hpp"

using namespace lightv;

namespace {

constexpr std::uint32_t kSize = 65536;

/** A sandbox as far as the registry looks: its directory. */
SandboxFiles sandbox(const Paths& paths, const std::string& id) {
  SandboxFiles files(paths, id);
  REQUIRE(makeDirs(files.directory()).ok());
  REQUIRE(makeDirs(files.runDirectory()).ok());
  return files;
}

std::string idOf(unsigned number) {
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016x", number);
  return text;
}

struct Home {
  lvtest::TempDir dir;
  Paths paths{dir.at("root"), dir.at("run")};
};

const std::vector<std::uint32_t> three{0x70000000, 0x70010000, 0x70020000};

}  // namespace

TEST_CASE("id ranges: without a grant they lie clear of users, of what others were given, and of each other") {
  IdFiles files;
  files.subuid = "alice:100000:65536\nbob:1879048192:65536\nbroken\nx:y:z\n";
  files.subgid = "carol:1879179264:10\n";
  files.passwd = "root:x:0:0::/root:/bin/sh\nsso:x:1879310336:1::/:/bin/sh\n";
  files.group = "wide:x:1879375873:\n";
  const std::vector<std::uint32_t> bases = idBases(files);
  CHECK(bases.size() > 4000);
  CHECK(std::is_sorted(bases.begin(), bases.end()));
  for (std::size_t i = 1; i < bases.size(); i++) CHECK(bases[i] - bases[i - 1] >= kSize);
  CHECK(bases.front() == 0x70010000);  // after bob's
  const auto has = [&](std::uint32_t base) { return std::find(bases.begin(), bases.end(), base) != bases.end(); };
  CHECK_FALSE(has(0x70020000));  // carol's group ids
  CHECK(has(0x70030000));
  CHECK_FALSE(has(0x70040000));  // a user's id
  CHECK_FALSE(has(0x70050000));  // a group's id
  CHECK(bases.back() + kSize - 1 <= 0x7FFDFFFF);
  CHECK(idBases({}).front() == 0x70000000);
}

TEST_CASE("id ranges: what the host gives to lightv, or else to root, is taken and nothing else") {
  IdFiles files;
  files.subuid = "root:500000:131072\nlightv:1000000:200000\n";
  files.subgid = "root:500000:131072\nlightv:1000100:199900\n";
  // Both kinds of ids in one range: from where both have begun, whole ranges alone.
  CHECK(idBases(files) == std::vector<std::uint32_t>{1000100, 1065636, 1131172});
  files.subuid = files.subgid = "root:500000:131072\n";
  CHECK(idBases(files) == std::vector<std::uint32_t>{500000, 565536});
  files.subuid = files.subgid = "0:500000:65536\n0:530000:65536\n";
  CHECK(idBases(files) == std::vector<std::uint32_t>{500000});
  files.subuid = files.subgid = "lightv:0:131072\n";
  CHECK(idBases(files) == std::vector<std::uint32_t>{65536});
  files.subuid = "lightv:4294900000:67295\n";
  CHECK(idBases(files).empty());
  // Given users and no groups, it has nothing.
  files = {.subuid = "lightv:1000000:65536\n"};
  CHECK(idBases(files).empty());
  files = {.subuid = "lightv:1000000:100\n", .subgid = "lightv:1000000:100\n"};
  CHECK(idBases(files).empty());
}

TEST_CASE("id ranges: each sandbox has its own until it is gone") {
  const Home home;
  std::vector<SandboxFiles> all;
  std::set<std::uint32_t> bases;
  for (unsigned i = 0; i < 3; i++) {
    all.push_back(sandbox(home.paths, idOf(i)));
    const auto base = claimIds(all[i], three, 0);
    REQUIRE(base.ok());
    CHECK(ownsIds(all[i], *base));
    bases.insert(*base);
  }
  CHECK(bases.size() == 3);
  const SandboxFiles late = sandbox(home.paths, idOf(9));
  CHECK(claimIds(late, three, 0).error().err == EUSERS);
  // Nobody frees another's.
  for (const std::uint32_t base : bases) releaseIds(late, base);
  releaseIds(late, 0);
  CHECK(claimIds(late, three, 0).error().err == EUSERS);
  const std::uint32_t freed = ownsIds(all[1], three[0]) ? three[0] : ownsIds(all[1], three[1]) ? three[1] : three[2];
  releaseIds(all[1], freed);
  CHECK(*claimIds(late, three, 0) == freed);
  CHECK(*claimIds(late, three, freed) == freed);
  // It could not be noted that it has one.
  CHECK(*claimIds(late, three, 0) == freed);
}

TEST_CASE("id ranges: one whose sandbox is gone is found when there is no other, and by the sweep") {
  const Home home;
  const SandboxFiles gone = sandbox(home.paths, idOf(1));
  const SandboxFiles late = sandbox(home.paths, idOf(2));
  const std::vector<std::uint32_t> one{three[0]};
  REQUIRE(claimIds(gone, one, 0).ok());
  CHECK(sweepIds(home.paths) == 0);
  SUBCASE("by another claim") {
    REQUIRE(removeTree(gone.directory()).ok());
    CHECK(*claimIds(late, one, 0) == three[0]);
  }
  SUBCASE("not while somebody still ends it") {
    REQUIRE(removeTree(gone.directory()).ok());
    Result<Fd> lock = tryLockForEngine(gone);
    REQUIRE(lock.ok());
    CHECK(sweepIds(home.paths) == 0);
    CHECK(claimIds(late, one, 0).error().err == EUSERS);
    lock->reset();
    CHECK(sweepIds(home.paths) == 1);
  }
  SUBCASE("not while something of it may run") {
    REQUIRE(::rename(gone.directory().c_str(), gone.goneDirectory().c_str()) == 0);
    CHECK(sweepIds(home.paths) == 0);
    REQUIRE(removeTree(gone.goneDirectory()).ok());
    CHECK(sweepIds(home.paths) == 1);
  }
}

TEST_CASE("id ranges: a claim that a power cut has undone is made again, or another one") {
  const Home home;
  const SandboxFiles first = sandbox(home.paths, idOf(1));
  const SandboxFiles second = sandbox(home.paths, idOf(2));
  const std::uint32_t base = *claimIds(first, three, 0);
  REQUIRE(removeTree(home.paths.root + "/ids/" + std::to_string(base)).ok());
  SUBCASE("nobody has it") {
    CHECK_FALSE(ownsIds(first, base));
    CHECK(*claimIds(first, three, base) == base);
  }
  SUBCASE("it is another's by now") {
    CHECK(*claimIds(second, three, base) == base);
    CHECK_FALSE(ownsIds(first, base));
    CHECK(*claimIds(first, three, base) != base);
  }
  SUBCASE("it is not in the area any more") {
    CHECK(*claimIds(first, {three[2]}, base) == three[2]);
  }
}

TEST_CASE("id ranges: many at once, with others that end and are swept, never get the same") {
  const Home home;
  constexpr unsigned kThreads = 4, kRounds = 60;
  std::vector<std::uint32_t> bases;
  for (std::uint32_t i = 0; i < 8; i++) bases.push_back(0x70000000 + i * kSize);
  std::vector<std::thread> threads;
  std::atomic<unsigned> collisions{0};
  std::array<std::atomic<unsigned>, 8> holders{};
  for (unsigned thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      for (unsigned round = 0; round < kRounds; round++) {
        const SandboxFiles files(home.paths, idOf(thread * kRounds + round));
        if (!makeDirs(files.directory()) || !makeDirs(files.runDirectory())) return;
        const auto base = claimIds(files, bases, 0);
        if (!base) continue;
        std::atomic<unsigned>& holder = holders[(*base - bases[0]) / kSize];
        if (holder.fetch_add(1) != 0) collisions++;
        ::usleep(200);
        holder.fetch_sub(1);
        // Half of them end as by a crash: the next ones have to sweep.
        if (round % 2 == 0) releaseIds(files, *base);
        (void)removeTree(files.directory());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(collisions == 0);
  (void)sweepIds(home.paths);
  CHECK(listDir(home.paths.root + "/ids")->empty());
}
