// The log writer: CRI lines, pieces of long ones, rotation, numbering, crashes and full disks.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lv_builder.hpp"
#include "monitor/log_writer.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

using namespace lightv;

namespace {

std::string content(const std::string& path) {
  const auto text = readFile(path, 64U << 20);
  return text ? *text : std::string();
}

/** The lines without their times, which must be times. */
std::vector<std::string> untimed(const std::string& path) {
  std::vector<std::string> lines;
  for (const std::string& line : split(content(path), '\n')) {
    if (line.empty()) continue;
    const std::size_t blank = line.find(' ');
    CHECK(parseTime(line.substr(0, blank)).has_value());
    lines.push_back(line.substr(blank + 1));
  }
  return lines;
}

/** Number of a log file's first line, as a reader finds it: by inode, in the index. */
std::uint64_t firstLine(const std::string& directory, const std::string& name) {
  struct stat stat {};
  REQUIRE(::stat((directory + "/" + name).c_str(), &stat) == 0);
  for (const LogIndexRow& row : parseLogIndex(content(directory + "/index"))) {
    if (row.inode == stat.st_ino) return row.firstLine;
  }
  FAIL("no row for " << name);
  return 0;
}

}  // namespace

TEST_CASE("log: lines of both streams keep their order, whatever pieces they come in") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), LogOptions{});
  REQUIRE(log.open().ok());
  log.write(Stream::out, "one\ntw");
  log.write(Stream::err, "bad\n");
  log.write(Stream::out, "o\n\nlast");
  log.end(Stream::out);
  const std::vector<std::string> wanted = {"stdout F one", "stderr F bad", "stdout F two", "stdout F ",
                                           "stdout P last"};
  CHECK(untimed(home.at("log/log")) == wanted);
  CHECK(log.lines() == 5);
}

TEST_CASE("log: a line over 16 KiB is cut into pieces that join to the line") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), LogOptions{});
  REQUIRE(log.open().ok());
  const std::string line(40000, 'x');
  for (std::size_t at = 0; at < line.size(); at += 7000)
    log.write(Stream::out, std::string_view(line).substr(at, 7000));
  log.write(Stream::out, "\n");
  const std::vector<std::string> lines = untimed(home.at("log/log"));
  REQUIRE(lines.size() == 3);
  std::string joined;
  for (std::size_t i = 0; i < lines.size(); i++) {
    CHECK(lines[i].starts_with(i == 2 ? "stdout F " : "stdout P "));
    CHECK(lines[i].size() <= 9 + LogWriter::kMaxText);
    joined += lines[i].substr(9);
  }
  CHECK(joined == line);
}

TEST_CASE("log: a line of exactly 16 KiB is a piece and its end") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), LogOptions{});
  REQUIRE(log.open().ok());
  const std::string line(LogWriter::kMaxText, 'y');
  log.write(Stream::out, line + "\n");
  log.write(Stream::out, line);
  log.write(Stream::out, "\n");
  std::string joined;
  for (const std::string& entry : untimed(home.at("log/log")))
    joined += entry.substr(9) + (entry[7] == 'F' ? "\n" : "");
  CHECK(joined == line + "\n" + line + "\n");
}

TEST_CASE("log: files rotate by size and number, and every line's number can be told") {
  const lvtest::TempDir home;
  const std::string directory = home.at("log");
  constexpr int kLines = 1000;
  {
    LogWriter log(directory, {.maxSizeBytes = 4096, .maxFiles = 3});
    REQUIRE(log.open().ok());
    for (int i = 0; i < kLines; i++) log.write(Stream::out, "line " + std::to_string(i) + "\n");
    CHECK(log.lines() == kLines);
  }
  CHECK(exists(directory + "/log.2"));
  CHECK_FALSE(exists(directory + "/log.3"));
  CHECK_FALSE(exists(directory + "/log.new"));
  for (const char* name : {"log.2", "log.1", "log"}) {
    struct stat stat {};
    REQUIRE(::stat((directory + "/" + name).c_str(), &stat) == 0);
    CHECK(stat.st_size <= 4096);
    std::uint64_t number = firstLine(directory, name);
    for (const std::string& line : untimed(directory + "/" + name)) {
      CHECK(line == "stdout F line " + std::to_string(number++));
    }
  }
}

TEST_CASE("log: numbering goes on over restarts, and half a line of a crash is cut") {
  const lvtest::TempDir home;
  const std::string directory = home.at("log");
  const LogOptions options{.maxSizeBytes = 4096, .maxFiles = 2};
  std::uint64_t lines = 0;
  for (int run = 0; run < 20; run++) {
    LogWriter log(directory, options);
    REQUIRE(log.open().ok());
    CHECK(log.lines() == lines);
    for (int i = 0; i < 37; i++) log.write(Stream::err, "line " + std::to_string(lines++) + "\n");
    const Fd crash(::open((directory + "/log").c_str(), O_WRONLY | O_APPEND));
    REQUIRE(writeAll(crash.get(), "2026-01-01T00:00:00.00000", "log").ok());
  }
  LogWriter log(directory, options);
  REQUIRE(log.open().ok());
  std::uint64_t number = firstLine(directory, "log");
  CHECK(number > 0);
  for (const std::string& line : untimed(directory + "/log")) {
    CHECK(line == "stderr F line " + std::to_string(number++));
  }
  CHECK(number == lines);
}

TEST_CASE("log: one file alone is begun anew when it is full") {
  const lvtest::TempDir home;
  const std::string directory = home.at("log");
  LogWriter log(directory, {.maxSizeBytes = 4096, .maxFiles = 1});
  REQUIRE(log.open().ok());
  for (int i = 0; i < 500; i++) log.write(Stream::out, "line " + std::to_string(i) + "\n");
  CHECK(listDir(directory)->size() == 2);  // log and index
  const std::vector<std::string> lines = untimed(directory + "/log");
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.back() == "stdout F line 499");
  CHECK(firstLine(directory, "log") + lines.size() == 500);
}

TEST_CASE("log: fewer files than before removes the surplus") {
  const lvtest::TempDir home;
  const std::string directory = home.at("log");
  for (const std::uint32_t maxFiles : {5U, 2U}) {
    LogWriter log(directory, {.maxSizeBytes = 4096, .maxFiles = maxFiles});
    REQUIRE(log.open().ok());
    for (int i = 0; i < 1000; i++) log.write(Stream::out, "some line\n");
  }
  CHECK(exists(directory + "/log.1"));
  CHECK_FALSE(exists(directory + "/log.2"));
  CHECK_FALSE(exists(directory + "/log.4"));
}

TEST_CASE("log: switched off, it writes nothing") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), {.enabled = false});
  REQUIRE(log.open().ok());
  log.write(Stream::out, "secret\n");
  log.end(Stream::out);
  CHECK_FALSE(exists(home.at("log")));
}

TEST_CASE("log: on a full disk lines are dropped and counted, and the count is told when there is room") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root to mount a small tmpfs");
    return;
  }
  const lvtest::TempDir home;
  const std::string disk = home.at("disk");
  REQUIRE(makeDirs(disk).ok());
  REQUIRE(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") == 0);
  std::string told;
  std::uint64_t lost = 0;
  std::vector<std::string> after;
  {
    LogWriter log(disk + "/log", {.maxSizeBytes = 1U << 20, .maxFiles = 2});
    CHECK(log.open().ok());
    for (int i = 0; i < 3000; i++) log.write(Stream::out, "line " + std::to_string(i) + " of a chatty program\n");
    lost = log.dropped();
    CHECK(lost > 0);
    CHECK(content(disk + "/log/log").ends_with("\n"));
    CHECK(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=1m") == 0);
    log.write(Stream::out, "again\n");
    CHECK(log.dropped() == 0);
    after = untimed(disk + "/log/log");
    CHECK(log.lines() == after.size());
  }
  CHECK(::umount2(disk.c_str(), MNT_DETACH) == 0);
  REQUIRE(after.size() > 2);
  CHECK(after.back() == "stdout F again");
  CHECK(after[after.size() - 2].find("[lightv] " + std::to_string(lost) + " log lines were dropped") !=
        std::string::npos);
  CHECK(after.size() + lost == 3000 + 2);
}
