// A verb is a table: its flags, arguments and texts. The one table drives parsing, help and completion.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "sys/result.hpp"

namespace lightv::cli {

struct CreateOptions;

/** What completion offers for a value or an argument. */
enum class Offer { nothing, file, sandbox, running, stopped, image, object, verb };

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): members stand as the tables read best
struct Flag {
  const char* name;             // without dashes
  char letter = 0;              // 0: has no short form
  const char* value = nullptr;  // placeholder in help; nullptr: a yes/no flag
  const char* help = "";
  const char* words = nullptr;  // the allowed values, by blanks; for completion
  Offer offer = Offer::nothing;
  /** For flags of run, create and update: how a value changes the request. Yes/no flags get "true" or "false". */
  Status (*apply)(CreateOptions& options, std::string_view value) = nullptr;
};

/** A parsed command line of one verb. */
class Parsed;

enum class Group { common, manage, image, other, hidden };

/** Several tables, so that verbs can share some. */
using FlagTables = std::array<std::span<const Flag>, 3>;

struct Verb {
  const char* name;
  Group group;
  const char* usage;                // what follows the name: "[OPTIONS] IMAGE [COMMAND] [ARG...]"
  const char* summary;              // one line
  FlagTables (*flags)() = nullptr;  // none: the verb has no flags
  unsigned minArgs = 0;
  unsigned maxArgs = 0;          // kMany: no bound
  Offer offer = Offer::nothing;  // what completion offers for arguments
  bool commandFollows = false;   // flags end at the first argument: the rest is a program's
  bool allAreArguments = false;  // no flags of its own: everything is passed on as it is
  int (*run)(const Engine& engine, const Parsed& parsed) = nullptr;
};
constexpr unsigned kMany = 1U << 20;

class Parsed {
 public:
  const Verb* verb = nullptr;
  std::vector<std::string> args;
  std::vector<std::pair<const Flag*, std::string>> values;  // in the order given
  bool wantsHelp = false;

  [[nodiscard]] bool has(std::string_view flag) const { return last(flag) != nullptr; }
  /** A yes/no flag; `fallback` when it isn't given. */
  [[nodiscard]] bool on(std::string_view flag, bool fallback = false) const;
  /** The last value given. */
  [[nodiscard]] std::string text(std::string_view flag, std::string_view fallback = "") const;
  [[nodiscard]] std::vector<std::string> all(std::string_view flag) const;

 private:
  [[nodiscard]] const std::string* last(std::string_view flag) const;
};

/** Finds a flag by its long name; nullptr when the verb has none such. */
const Flag* findFlag(const Verb& verb, std::string_view name);
const Flag* findFlag(const Verb& verb, char letter);
/** All of a verb's flags, in the order of its tables. */
std::vector<const Flag*> allFlags(const Verb& verb);

/**
 * Parses what follows the verb's name, as Docker does: `--name value`, `--name=value`, `-it`, `-e KEY=V`, `-eKEY=V`,
 * `--rm=false`, `--`. Errors' `op` is the whole sentence, with what was probably meant.
 */
Result<Parsed> parseArguments(const Verb& verb, std::span<char* const> argv);

}  // namespace lightv::cli
