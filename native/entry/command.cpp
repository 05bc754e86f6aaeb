#include "entry/command.hpp"

namespace lightv::entry {
namespace {

constexpr std::size_t kHexDigits = 64;

/** Of a flag that may stand as `--name value` and `--name=value`. */
enum class Given { no, yes, broken };

/** Walks over the words of a command line. */
class Words {
 public:
  explicit Words(const char* const* next) : next_(next) {}

  [[nodiscard]] bool atEnd() const { return *next_ == nullptr; }
  [[nodiscard]] Text now() const { return textOf(*next_); }
  [[nodiscard]] const char* const* rest() const { return next_; }
  void go() { next_++; }

  /** A flag with a value, by its long form ("--name") or, alone, by its letter ("-n"). */
  Given value(Text flag, Text letter, Text& into) {
    Text given = now();
    if (!letter.empty() && equal(given, letter)) return following(into);
    if (!take(given, flag)) return Given::no;
    if (given.empty()) return following(into);
    if (given.data[0] != '=') return Given::no;
    into = from(given, 1);
    go();
    return Given::yes;
  }

  Given yesOrNo(Text flag, bool& into) {
    Text given = now();
    if (!take(given, flag)) return Given::no;
    const bool yes = given.empty() || equal(given, word("=true"));
    if (!yes && !equal(given, word("=false"))) return Given::broken;
    into = yes;
    go();
    return Given::yes;
  }

 private:
  Given following(Text& into) {
    go();
    if (atEnd()) return Given::broken;
    into = now();
    go();
    return Given::yes;
  }

  const char* const* next_;
};

/** The value of a variable; empty when it is not set. */
Text variable(const char* const* environment, Text name) {
  for (; *environment != nullptr; environment++) {
    Text entry = textOf(*environment);
    if (take(entry, name) && take(entry, word("="))) return entry;
  }
  return {};
}

bool isAbsolute(Text path) {
  return !path.empty() && path.data[0] == '/';
}

/** KEY=VALUE as it is, KEY as the environment has it, as addVariable() of cli/create_options.cpp. */
bool addVariable(Command& command, Text given, const char* const* environment) {
  if (given.empty() || given.data[0] == '=' || command.variableCount == kMostVariables) return false;
  const char* entry = given.data;
  bool hasValue = false;
  for (const char c : given) hasValue = hasValue || c == '=';
  for (; !hasValue && *environment != nullptr; environment++) {
    Text own = textOf(*environment);
    if (!take(own, given) || !startsWith(own, word("="))) continue;
    entry = *environment;
    break;
  }
  command.variables[command.variableCount++] = entry;
  return true;
}

bool chooseRoots(Command& command, const char* const* environment, Words& words) {
  command.root = word("/var/lib/lightv");
  command.runRoot = word("/run/lightv");
  if (const Text own = variable(environment, word("LIGHTV_ROOT")); !own.empty()) command.root = own;
  if (const Text own = variable(environment, word("LIGHTV_RUNROOT")); !own.empty()) command.runRoot = own;
  while (!words.atEnd() && !equal(words.now(), word("run"))) {
    Given given = words.value(word("--root"), {}, command.root);
    if (given == Given::no) given = words.value(word("--runroot"), {}, command.runRoot);
    if (given != Given::yes) return false;
  }
  return !words.atEnd() && isAbsolute(command.root) && isAbsolute(command.runRoot);
}

Given takeFlag(Command& command, Words& words, const char* const* environment) {
  Text value;
  Given given = words.yesOrNo(word("--rm"), command.autoRemove);
  if (given == Given::no) given = words.value(word("--name"), {}, command.name);
  if (given == Given::no) {
    given = words.value(word("--network"), {}, value);
    if (given == Given::yes && !equal(value, word("none"))) return Given::broken;
  }
  if (given == Given::no) {
    given = words.value(word("--env"), word("-e"), value);
    if (given == Given::yes && !addVariable(command, value, environment)) return Given::broken;
  }
  if (given == Given::no) {
    given = words.value(word("--workdir"), word("-w"), command.workDirectory);
    if (given == Given::yes && !isAbsolute(command.workDirectory)) return Given::broken;
  }
  if (given == Given::no) {
    given = words.value(word("--user"), word("-u"), command.user);
    if (given == Given::yes && command.user.empty()) return Given::broken;
  }
  return given;
}

void writeTexts(Buffer& out, Text key, const char* const* texts) {
  out.put(word(",")).quoted(key).put(word(":["));
  for (bool first = true; *texts != nullptr; texts++, first = false) {
    if (!first) out.put(',');
    out.quoted(textOf(*texts));
  }
  out.put(']');
}

void writeText(Buffer& out, Text key, Text value) {
  if (value.empty()) return;
  out.put(',').quoted(key).put(':').quoted(value);
}

/** Where the tag begins: a colon before the last slash belongs to a registry's port. */
bool hasTag(Text image) {
  bool found = false;
  for (const char c : image) found = c == ':' || (found && c != '/');
  return found;
}

}  // namespace

bool readCommand(const char* const* argv, const char* const* environment, Command& command) {
  if (*argv == nullptr) return false;
  Words words(argv + 1);
  if (!chooseRoots(command, environment, words)) return false;
  words.go();
  while (!words.atEnd() && startsWith(words.now(), word("-"))) {
    if (takeFlag(command, words, environment) != Given::yes) return false;
  }
  command.variables[command.variableCount] = nullptr;
  if (words.atEnd()) return false;
  command.image = words.now();
  words.go();
  command.words = words.rest();
  // A path of a file is no name, and its names are spelled so.
  const char first = command.image.empty() ? '\0' : command.image.data[0];
  return (isDigit(first) || isLower(first)) && !endsWith(command.image, word(".lv"));
}

void writeRequest(const Command& command, Buffer& out) {
  out.put(word("{\"root\":")).quoted(command.root);
  out.put(word(",\"stdin\":false,\"stdout\":true,\"stderr\":true,\"callerLimits\":true,\"create\":{\"image\":"));
  out.quoted(command.image);
  if (*command.words != nullptr) writeTexts(out, word("command"), command.words);
  // What was given and is the default all the same stands first (engine/request.cpp).
  const bool isTop = equal(command.workDirectory, word("/"));
  if (isTop) writeText(out, word("cwd"), command.workDirectory);
  writeText(out, word("name"), command.name);
  if (command.variableCount > 0) writeTexts(out, word("env"), command.variables);
  if (!isTop) writeText(out, word("cwd"), command.workDirectory);
  writeText(out, word("user"), command.user);
  if (command.autoRemove) out.put(word(",\"autoRemove\":true"));
  out.put(word("}}"));
}

void writeReferencePath(const Command& command, Buffer& out) {
  out.put(command.root).put(word("/refs/"));
  for (const char c : command.image) {
    if (c == '/') {
      out.put(word("%2F"));
    } else if (c == '%') {
      out.breakOff();
    } else {
      out.put(c);
    }
  }
  if (!hasTag(command.image)) out.put(word(":latest"));
  out.put('\0');
}

Text digestHex(Text text) {
  if (endsWith(text, word("\n"))) text.size--;
  if (!take(text, word("sha256:")) || text.size != kHexDigits) return {};
  for (const char c : text) {
    if (!isHexDigit(c)) return {};
  }
  return text;
}

}  // namespace lightv::entry
