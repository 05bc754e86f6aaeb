#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "cli/log_reader.hpp"
#include "lv_builder.hpp"

namespace {

using namespace lightv::cli;

std::string at(const lvtest::TempDir& directory, const char* name) {
  return directory.at(name);
}

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

std::string line(const std::string& text) {
  return "2026-01-01T00:00:00.000000000Z stdout F " + text + "\n";
}

std::string readAll(LogReader& reader) {
  std::string all;
  const auto status = reader.read([&](const LogLine& found) { all.append(found.text).append(";"); });
  CHECK(status.ok());
  return all;
}

}  // namespace

TEST_CASE("cli: lines of a log are cut into time, stream, tag and text") {
  LogLine parsed;
  REQUIRE(parseLogLine("2026-01-01T00:00:00.5Z stderr P some  text ", parsed));
  CHECK(parsed.time == "2026-01-01T00:00:00.5Z");
  CHECK(parsed.isError);
  CHECK(parsed.isPartial);
  CHECK(parsed.text == "some  text ");
  REQUIRE(parseLogLine("2026-01-01T00:00:00.5Z stdout F ", parsed));
  CHECK(parsed.text.empty());
  for (const char* wrong : {"", "x", "time stdout", "time stdin F x", "time stdoutF x"})
    CHECK_FALSE(parseLogLine(wrong, parsed));
}

TEST_CASE("cli: a log is read over its rotations, each line once and in order") {
  const lvtest::TempDir directory;
  append(at(directory, "log.2"), line("1"));
  append(at(directory, "log.1"), line("2"));
  append(at(directory, "log"), line("3") + "2026-01-01T00:00:00Z stdout F be");
  LogReader reader(directory.path());
  REQUIRE(reader.open().ok());
  CHECK(readAll(reader) == "1;2;3;");
  append(at(directory, "log"), "gun\n");
  CHECK(readAll(reader) == "begun;");
  CHECK(readAll(reader).empty());
  // Two rotations between two looks: the middle file is not lost, nor what came to the old one last.
  append(at(directory, "log"), line("4"));
  REQUIRE(std::rename(at(directory, "log").c_str(), at(directory, "log.2").c_str()) == 0);
  append(at(directory, "log.1"), "");
  std::ofstream(at(directory, "log.1")) << line("5");
  append(at(directory, "log"), line("6"));
  CHECK(readAll(reader) == "4;5;6;");
  CHECK(readAll(reader).empty());
}

TEST_CASE("cli: a log without files is empty, and its first file is found when it comes") {
  const lvtest::TempDir directory;
  LogReader reader(directory.path());
  REQUIRE(reader.open().ok());
  CHECK(readAll(reader).empty());
  append(at(directory, "log"), line("first"));
  CHECK(readAll(reader) == "first;");
}
