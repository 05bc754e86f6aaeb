// Files and numbers as people write them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

using namespace lightv;
using lightv::test::TempDir;

TEST_CASE("text: sizes as Docker reads them") {
  CHECK(parseSize("0") == 0U);
  CHECK(parseSize("512") == 512U);
  CHECK(parseSize("512m") == 512U << 20);
  CHECK(parseSize("1.5g") == 1536U << 20);
  CHECK(parseSize("64KiB") == 64U << 10);
  CHECK(parseSize("10 MB") == 10U << 20);
  CHECK(parseSize("3b") == 3U);
  CHECK(parseSize(".5k") == 512U);
  for (const char* bad : {"", "m", "-1", "1x", "1mm", "1 m ", "99999999999g", "1e3", "18446744073709551616"}) {
    CAPTURE(bad);
    CHECK_FALSE(parseSize(bad).has_value());
  }
}

TEST_CASE("text: durations and thousandths") {
  CHECK(parseDuration("10s") == 10'000'000'000U);
  CHECK(parseDuration("1m30s") == 90'000'000'000U);
  CHECK(parseDuration("1.5h") == 5'400'000'000'000U);
  CHECK(parseDuration("100ms") == 100'000'000U);
  CHECK(parseDuration("0") == 0U);
  for (const char* bad : {"", "10", "s", "-1s", "1d", "1s ", "9999999999h"}) {
    CAPTURE(bad);
    CHECK_FALSE(parseDuration(bad).has_value());
  }
  CHECK(parseMilli("1.5") == 1500U);
  CHECK(parseMilli("0.25") == 250U);
  CHECK(parseMilli("2") == 2000U);
  CHECK_FALSE(parseMilli("2x").has_value());
  CHECK_FALSE(parseInteger<std::uint32_t>("-1").has_value());
  CHECK_FALSE(parseInteger<std::uint8_t>("256").has_value());
  CHECK(parseInteger<std::int32_t>("-7") == -7);
}

TEST_CASE("text: pieces") {
  CHECK(split("a,,b", ',') == std::vector<std::string>{"a", "", "b"});
  CHECK(split("", ',') == std::vector<std::string>{""});
  CHECK(split("a=b=c", '=', 2) == std::vector<std::string>{"a", "b=c"});
  CHECK(trim(" \t x y\n") == "x y");
  CHECK(trim("  ").empty());
  CHECK(join({"a", "b", "c"}, ", ") == "a, b, c");
}

TEST_CASE("text: a clean path") {
  CHECK(cleanPath("/data") == "/data");
  CHECK(cleanPath("//data/./x//") == "/data/x");
  CHECK(cleanPath("/.hidden/..x/../y") == "/.hidden/..x/../y");
  for (const char* root : {"", "/", "//", "/.", "/./"}) CHECK(cleanPath(root) == "/");
}

TEST_CASE("text: a path within a directory") {
  CHECK(isWithin("/run", "/run"));
  CHECK(isWithin("/run/lightv/x", "/run"));
  CHECK(isWithin("/run/lightv", "/run/"));
  CHECK(isWithin("/anything", "/"));
  CHECK(isWithin("/", "/"));
  CHECK_FALSE(isWithin("/runner", "/run"));
  CHECK_FALSE(isWithin("/ru", "/run"));
  CHECK_FALSE(isWithin("/", "/run"));
}

TEST_CASE("file: an atomic write replaces whole and leaves no temporary file") {
  const TempDir dir;
  const std::string path = dir / "f";
  REQUIRE(writeFileAtomic(path, "one", 0640, Durable::yes).ok());
  REQUIRE(writeFileAtomic(path, "two").ok());
  CHECK(*readFile(path) == "two");
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(listDir(dir.path())->size() == 1);
  REQUIRE(makeDirs(dir / "d").ok());
  CHECK_FALSE(writeFileAtomic(dir / "d", "x").ok());
  CHECK(listDir(dir.path())->size() == 2);
}

TEST_CASE("file: a read stops at its bound") {
  const TempDir dir;
  REQUIRE(writeFileAtomic(dir / "f", std::string(1000, 'x')).ok());
  CHECK(readFile(dir / "f", 1000)->size() == 1000);
  CHECK(readFile(dir / "f", 999).error().err == EFBIG);
  CHECK(readFile(dir / "g").error().err == ENOENT);
}

TEST_CASE("file: directories are made, and removed without following links or entering mounts") {
  const TempDir dir;
  REQUIRE(makeDirs(dir / "tree/a/b").ok());
  REQUIRE(makeDirs(dir / "tree/a/b").ok());
  REQUIRE(makeDirs(dir / "outside").ok());
  REQUIRE(writeFileAtomic(dir / "outside/keep", "x").ok());
  CHECK(makeDirs(dir / "outside/keep/below").error().err == ENOTDIR);
  REQUIRE(::symlink((dir / "outside").c_str(), (dir / "tree/a/link").c_str()) == 0);
  for (const bool old : {false, true}) {
    CAPTURE(old);
    REQUIRE(makeDirs(dir / "tree/mounted").ok());
    // tmpfs for the older way, which can only tell devices apart; a bind of the same one for the newer.
    const char* type = old ? "tmpfs" : nullptr;
    REQUIRE(::mount((dir / "outside").c_str(), (dir / "tree/mounted").c_str(), type, old ? 0 : MS_BIND, nullptr) == 0);
    {
      const auto missing = old ? std::make_unique<sys::MissingCall>(sys::Call::openat2) : nullptr;
      CHECK(removeTree(dir / "tree").error().err == EBUSY);
    }
    REQUIRE(::umount2((dir / "tree/mounted").c_str(), MNT_DETACH) == 0);
  }
  CHECK(removeTree(dir / "tree").ok());
  CHECK(removeTree(dir / "tree").ok());
  CHECK_FALSE(exists(dir / "tree"));
  CHECK(exists(dir / "outside/keep"));
}
