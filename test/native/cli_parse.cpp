#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/suggest.hpp"
#include "cli/verbs.hpp"

namespace {

using namespace lightv;
using namespace lightv::cli;

Result<Parsed> parse(const Verb& verb, std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parseArguments(verb, argv);
}

}  // namespace

TEST_CASE("cli: letters stand together, and the last takes the rest or the next word as its value") {
  const auto parsed = parse(kRun, {"-ite", "A=1", "-eB=2", "-e=C=3", "-m64m", "box", "sh"});
  REQUIRE(parsed.ok());
  CHECK(parsed->on("interactive"));
  CHECK(parsed->on("tty"));
  CHECK(parsed->all("env") == std::vector<std::string>{"A=1", "B=2", "C=3"});
  CHECK(parsed->text("memory") == "64m");
  CHECK(parsed->args == std::vector<std::string>{"box", "sh"});
}

TEST_CASE("cli: flags behind the image are the program's") {
  const auto parsed = parse(kRun, {"--name=web", "box", "ls", "--help", "-l", "--", "x"});
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed->wantsHelp);
  CHECK(parsed->text("name") == "web");
  CHECK(parsed->args == std::vector<std::string>{"box", "ls", "--help", "-l", "--", "x"});
}

TEST_CASE("cli: flags and arguments mix for verbs that take no program, until a double dash") {
  const auto parsed = parse(kRemove, {"one", "-f", "--", "-v"});
  REQUIRE(parsed.ok());
  CHECK(parsed->on("force"));
  CHECK_FALSE(parsed->on("volumes"));
  CHECK(parsed->args == std::vector<std::string>{"one", "-v"});
}

TEST_CASE("cli: yes/no flags take a value only behind an equals sign, and the last one counts") {
  const auto parsed = parse(kRun, {"--rm", "--rm=false", "--sig-proxy=0", "box"});
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed->on("rm"));
  CHECK_FALSE(parsed->on("sig-proxy", true));
  CHECK(parse(kRun, {"--rm=maybe", "box"}).error().message() ==
        "invalid value \"maybe\" for --rm: it takes true or false");
}

TEST_CASE("cli: a wrong flag is named, with the one that was probably meant") {
  CHECK(parse(kRun, {"--nmae", "x", "box"}).error().message() == "unknown flag: --nmae, did you mean --name?");
  CHECK(parse(kRun, {"--zzzzzz", "box"}).error().message() == "unknown flag: --zzzzzz");
  CHECK(parse(kRun, {"-iZ", "box"}).error().message() == "unknown shorthand flag: 'Z' in -iZ");
  CHECK(parse(kRun, {"--name"}).error().message() == "flag needs a value: --name NAME");
}

TEST_CASE("cli: the number of arguments is checked, and the usage told") {
  CHECK(parse(kRename, {"a"}).error().message() ==
        "\"lightv rename\" takes exactly 2 arguments, 1 was given (usage: lightv rename SANDBOX NEW_NAME)");
  CHECK(parse(kStop, {}).error().message() ==
        "\"lightv stop\" takes at least 1 argument, 0 were given (usage: lightv stop [OPTIONS] SANDBOX [SANDBOX...])");
  CHECK_FALSE(parse(kList, {"x"}).ok());
}

TEST_CASE("cli: -h is help, except where it is a flag of the verb") {
  CHECK(parse(kList, {"-h"})->wantsHelp);
  CHECK(parse(kRename, {"--help"})->wantsHelp);
  const auto parsed = parse(kRun, {"-h", "edge1", "box"});
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed->wantsHelp);
  CHECK(parsed->text("hostname") == "edge1");
}

TEST_CASE("cli: no verb has two flags with one name or letter, and each flag has help") {
  for (const Verb* verb : allVerbs()) {
    CAPTURE(verb->name);
    CHECK(findVerb(verb->name) == verb);
    for (const Flag* flag : allFlags(*verb)) {
      CAPTURE(flag->name);
      CHECK(findFlag(*verb, flag->name) == flag);
      if (flag->letter != 0) CHECK(findFlag(*verb, flag->letter) == flag);
      CHECK(std::string(flag->help).size() > 3);
    }
  }
}

TEST_CASE("cli: the nearest word is offered only when it is near") {
  CHECK(editDistance("stats", "start") == 2);
  CHECK(editDistance("lgos", "logs") == 1);
  CHECK(editDistance("", "abc") == 3);
  CHECK(nearest("insepct", {"images", "inspect", "info"}) == "inspect");
  CHECK(nearest("unpau", {"pause", "unpause"}) == "unpause");
  CHECK(nearest("frobnicate", {"run", "rm"}).empty());
}
