// What the early entry says must be what the whole program says, and what it does not know it must leave to it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/create_options.hpp"
#include "cli/verbs.hpp"
#include "engine/pool_talk.hpp"
#include "entry/command.hpp"
#include "entry/connection.hpp"
#include "image/store.hpp"
#include "monitor/control.hpp"

using namespace lightv;

namespace {

std::vector<const char*> pointers(const std::vector<std::string>& words) {
  std::vector<const char*> list;
  for (const std::string& word : words) list.push_back(word.c_str());
  list.push_back(nullptr);
  return list;
}

std::string textOf(entry::Text text) {
  return std::string(text.data == nullptr ? "" : text.data, text.size);
}

entry::Text textOf(const std::string& text) {
  return {text.data(), text.size()};
}

/** What the entry makes of `lightv <words>`: the request, or nothing when it leaves it. */
struct Early {
  std::string request, reference;

  explicit Early(std::vector<std::string> words, const std::vector<std::string>& environment = {}) {
    words.insert(words.begin(), "lightv");
    const std::vector<const char*> argv = pointers(words);
    const std::vector<const char*> variables = pointers(environment);
    entry::Command command;
    if (!entry::readCommand(argv.data(), variables.data(), command)) return;
    static char room[8192];
    entry::Buffer out(room);
    entry::writeRequest(command, out);
    if (out.isWhole()) request = textOf(out.text());
    static char path[4096];
    entry::Buffer name(path);
    entry::writeReferencePath(command, name);
    if (name.isWhole()) reference = std::string(path);
  }
};

/** What the whole program makes of `lightv run <words>`. */
std::string whole(std::vector<std::string> words, const std::string& root = "/var/lib/lightv") {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const Result<cli::Parsed> parsed = cli::parseArguments(cli::kRun, argv);
  REQUIRE(parsed.ok());
  Result<cli::CreateOptions> options = cli::createOptions(*parsed);
  REQUIRE(options.ok());
  PoolRequest request{.root = root, .create = std::move(options->request)};
  request.hasStdout = request.hasStderr = request.callerLimits = true;
  return toJson(request);
}

std::vector<std::string> run(std::vector<std::string> words) {
  words.insert(words.begin(), "run");
  return words;
}

}  // namespace

TEST_CASE("entry: the request is byte for byte that of the whole program") {
  const std::vector<std::vector<std::string>> lines{
      {"box"},
      {"--rm", "--network", "none", "box", "echo", "hello"},
      {"--rm=true", "--rm=false", "--network=none", "--name", "web", "box"},
      {"--name=", "--name", "", "box", "--rm", "-e", ""},
      {"-e", "A=1", "--env", "B=", "--env=C=x=y", "-e", "UNKNOWN_HERE", "-e", "A=2", "box", "sh"},
      {"-w", "/", "box"},
      {"--workdir=/data", "-u", "1000:1000", "--user=www", "box", "id"},
      {"box", "sh", "-c", "echo \"a\\b\"\n\t\x01\x1f\x7f"},
      {"registry.example:5000/shop/web:1.2", "x"},
      {"sha256:" + std::string(64, 'a'), "x"}};
  for (const std::vector<std::string>& line : lines) {
    INFO(line.back());
    CHECK(Early(run(line)).request == whole(line));
  }
}

TEST_CASE("entry: a variable without a value is passed on, and the roots come from flags and environment") {
  REQUIRE(::setenv("LV_TEST_PASSED", "a \"b\"", 1) == 0);
  CHECK(Early(run({"-e", "LV_TEST_PASSED", "box"}), {"LV_TEST_PASSED2=no", "LV_TEST_PASSED=a \"b\""}).request ==
        whole({"-e", "LV_TEST_PASSED", "box"}));
  REQUIRE(::unsetenv("LV_TEST_PASSED") == 0);
  CHECK(Early(run({"box"}), {"LIGHTV_ROOT=/x", "LIGHTV_RUNROOT="}).request == whole({"box"}, "/x"));
  CHECK(Early({"--root", "/y", "--runroot=/z", "run", "box"}, {"LIGHTV_ROOT=/x"}).request == whole({"box"}, "/y"));
  CHECK(Early({"--root=/y", "run", "a/b:c"}).reference == "/y/refs/a%2Fb:c");
  CHECK(Early({"--root=/y", "run", "h:5/b"}).reference == "/y/refs/h:5%2Fb:latest");
  for (const std::string image : {"box", "a/b:c", "h:5/b", "host.x/a/b:1.0"}) {
    const auto name = normalizeImageName(image);
    REQUIRE(name.ok());
    std::string file = *name;
    for (std::size_t at = file.find('/'); at != std::string::npos; at = file.find('/')) file.replace(at, 1, "%2F");
    CHECK(Early({"--root=/y", "run", image}).reference == "/y/refs/" + file);
  }
}

TEST_CASE("entry: what is not plain is left to the whole program") {
  const std::vector<std::vector<std::string>> lines{{},
                                                    {"run"},
                                                    {"ps"},
                                                    {"--version"},
                                                    {"--root"},
                                                    {"--root", "relative", "run", "box"},
                                                    {"--log-level", "x", "run", "box"},
                                                    run({"--rm"}),
                                                    run({"--rm=1", "box"}),
                                                    run({"--rm=maybe", "box"}),
                                                    run({"--rmx", "box"}),
                                                    run({"--help"}),
                                                    run({"-h"}),
                                                    run({"--", "box"}),
                                                    run({"-it", "box"}),
                                                    run({"-i", "box"}),
                                                    run({"-d", "box"}),
                                                    run({"-eA=1", "box"}),
                                                    run({"-e", "=1", "box"}),
                                                    run({"-e", "", "box"}),
                                                    run({"--network", "host", "box"}),
                                                    run({"--network", "box"}),
                                                    run({"--privileged", "box"}),
                                                    run({"-m", "64m", "box"}),
                                                    run({"-w", "relative", "box"}),
                                                    run({"-u", "", "box"}),
                                                    run({"--name"}),
                                                    run({"--cidfile", "x", "box"}),
                                                    run({""}),
                                                    run({"-"}),
                                                    run({"./box.lv"}),
                                                    run({"/box.lv"}),
                                                    run({"box.lv"}),
                                                    run({"box", "\xc3\xa9"}),
                                                    run({"box", "\xff"}),
                                                    run({"box", std::string(10'000, 'x')})};
  for (const std::vector<std::string>& line : lines) {
    INFO((line.empty() ? "" : line.back()));
    CHECK(Early(line).request.empty());
  }
  CHECK(Early(run({"box"}), {"LIGHTV_ROOT=relative"}).request.empty());
  CHECK(Early(run(std::vector<std::string>(entry::kMostVariables * 2 + 2, "-e"))).request.empty());
  const std::string hex(64, 'a');
  CHECK(textOf(entry::digestHex(textOf("sha256:" + hex))) == hex);
  CHECK(textOf(entry::digestHex(textOf("sha256:" + hex + "\n"))) == hex);
  for (const std::string& broken : {std::string(), hex, "sha256:" + hex + "a", "sha256:" + hex.substr(1),
                                    "sha256:A" + hex.substr(1), "sha512:" + hex}) {
    CHECK(entry::digestHex(textOf(broken)).empty());
  }
}

TEST_CASE("entry: plain answers are understood, and no others") {
  ControlAnswer taken;
  taken.id = "0123456789abcdef";
  entry::Text id;
  const std::string word = toJson(taken);
  REQUIRE(entry::readTaken(textOf(word), id));
  CHECK(textOf(id) == taken.id);
  int pid = 0;
  const std::string started = toJson(ControlAnswer{.pid = 4711});
  REQUIRE(entry::readStarted(textOf(started), pid));
  CHECK(pid == 4711);
  ExitInfo exit{.exitCode = 137, .signal = 9, .oomKilled = true, .finishedAt = "2026-11-30T15:00:00.123456789Z"};
  const auto told = [](const ExitInfo& how) {
    ControlAnswer answer;
    answer.exit = how;
    return toJson(answer);
  };
  const std::string ended = told(exit);
  int code = -1;
  REQUIRE(entry::readEnded(textOf(ended), code));
  CHECK(code == 137);
  for (const std::string& text : {word, started, ended}) {
    for (std::size_t size = 0; size < text.size(); size++) {
      const std::string part = text.substr(0, size);
      CHECK_FALSE(entry::readTaken(textOf(part), id));
      CHECK_FALSE(entry::readStarted(textOf(part), pid));
      CHECK_FALSE(entry::readEnded(textOf(part), code));
    }
  }
  CHECK_FALSE(entry::readStarted(textOf(toJson(ControlAnswer{.pid = 5, .warnings = {"careful"}})), pid));
  CHECK_FALSE(entry::readStarted(textOf(errorAnswer(Error{"exec", 2, "x"})), pid));
  exit.error = "why";
  CHECK_FALSE(entry::readEnded(textOf(told(exit)), code));
  exit.error = "";
  exit.lost = true;
  CHECK_FALSE(entry::readEnded(textOf(told(exit)), code));
}
