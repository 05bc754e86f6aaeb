#include <optional>

#include "cli/command.hpp"
#include "cli/suggest.hpp"

namespace lightv::cli {

namespace {

std::optional<bool> parseBoolean(std::string_view text) {
  // What Go's strconv.ParseBool takes, as Docker's flags do.
  for (const char* word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const char* word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::string display(const Flag& flag) {
  return std::string("--") + flag.name;
}

Error unknownFlag(const Verb& verb, std::string_view given) {
  std::vector<std::string_view> names{"help"};
  for (const Flag* flag : allFlags(verb)) names.emplace_back(flag->name);
  std::string text = "unknown flag: --" + std::string(given);
  if (const std::string_view near = nearest(given, names); !near.empty()) {
    text += ", did you mean --" + std::string(near) + "?";
  }
  return Error{text};
}

class ArgumentParser {
 public:
  ArgumentParser(const Verb& verb, std::span<char* const> argv) : verb_(verb), argv_(argv) { parsed_.verb = &verb; }

  Result<Parsed> run() {
    if (verb_.allAreArguments) return takeRest(0);
    for (; next_ < argv_.size() && !parsed_.wantsHelp; ++next_) {
      const std::string_view word = argv_[next_];
      if (word == "--") return takeRest(next_ + 1);
      Status status;
      if (word.starts_with("--")) {
        status = takeLong(word.substr(2));
      } else if (word.size() > 1 && word[0] == '-') {
        status = takeLetters(word.substr(1));
      } else if (verb_.commandFollows) {
        return takeRest(next_);
      } else {
        parsed_.args.emplace_back(word);
      }
      if (!status) return status.error();
    }
    return finish();
  }

 private:
  Status takeLong(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const Flag* flag = findFlag(verb_, name);
    if (flag == nullptr && name == "help") {
      parsed_.wantsHelp = true;
      return {};
    }
    if (flag == nullptr) return unknownFlag(verb_, name);
    if (equals != std::string_view::npos) return add(*flag, word.substr(equals + 1));
    if (flag->value == nullptr) return add(*flag, "true");
    return addNext(*flag);
  }

  Status takeLetters(std::string_view letters) {
    for (std::size_t at = 0; at < letters.size(); ++at) {
      const Flag* flag = findFlag(verb_, letters[at]);
      if (flag == nullptr && letters[at] == 'h') {
        parsed_.wantsHelp = true;
        return {};
      }
      if (flag == nullptr) {
        return Error{"unknown shorthand flag: '" + std::string(1, letters[at]) + "' in -" + std::string(letters)};
      }
      const std::string_view rest = letters.substr(at + 1);
      if (flag->value != nullptr) {
        if (rest.empty()) return addNext(*flag);
        return add(*flag, rest[0] == '=' ? rest.substr(1) : rest);
      }
      if (rest.starts_with('=')) return add(*flag, rest.substr(1));
      if (Status status = add(*flag, "true"); !status) return status;
    }
    return {};
  }

  Status addNext(const Flag& flag) {
    if (next_ + 1 >= argv_.size()) return Error{"flag needs a value: " + display(flag) + " " + flag.value};
    return add(flag, argv_[++next_]);
  }

  Status add(const Flag& flag, std::string_view value) {
    std::string kept(value);
    if (flag.value == nullptr) {
      const std::optional<bool> on = parseBoolean(value);
      if (!on) {
        return Error{"invalid value \"" + kept + "\" for " + display(flag) + ": it takes true or false"};
      }
      kept = *on ? "true" : "false";
    }
    parsed_.values.emplace_back(&flag, std::move(kept));
    return {};
  }

  Result<Parsed> takeRest(std::size_t from) {
    for (std::size_t at = from; at < argv_.size(); ++at) parsed_.args.emplace_back(argv_[at]);
    return finish();
  }

  Result<Parsed> finish() {
    const std::size_t count = parsed_.args.size();
    if (parsed_.wantsHelp || (count >= verb_.minArgs && count <= verb_.maxArgs)) return std::move(parsed_);
    const bool few = count < verb_.minArgs;
    const unsigned bound = few ? verb_.minArgs : verb_.maxArgs;
    const char* quantity = verb_.minArgs == verb_.maxArgs ? "exactly " : few ? "at least " : "at most ";
    std::string text = "\"lightv " + std::string(verb_.name) + "\" takes ";
    text += verb_.maxArgs == 0 ? "no argument"
                               : quantity + std::to_string(bound) + (bound == 1 ? " argument" : " arguments");
    return Error{text + ", " + std::to_string(count) + (count == 1 ? " was given" : " were given"), 0, "",
                 "usage: lightv " + std::string(verb_.name) + " " + verb_.usage};
  }

  const Verb& verb_;
  std::span<char* const> argv_;
  std::size_t next_ = 0;
  Parsed parsed_;
};

}  // namespace

const std::string* Parsed::last(std::string_view flag) const {
  for (auto entry = values.rbegin(); entry != values.rend(); ++entry) {
    if (flag == entry->first->name) return &entry->second;
  }
  return nullptr;
}

bool Parsed::on(std::string_view flag, bool fallback) const {
  const std::string* value = last(flag);
  return value == nullptr ? fallback : *value == "true";
}

std::string Parsed::text(std::string_view flag, std::string_view fallback) const {
  const std::string* value = last(flag);
  return value == nullptr ? std::string(fallback) : *value;
}

std::vector<std::string> Parsed::all(std::string_view flag) const {
  std::vector<std::string> found;
  for (const auto& [given, value] : values) {
    if (flag == given->name) found.push_back(value);
  }
  return found;
}

std::vector<const Flag*> allFlags(const Verb& verb) {
  std::vector<const Flag*> all;
  if (verb.flags == nullptr) return all;
  for (const std::span<const Flag> table : verb.flags()) {
    for (const Flag& flag : table) all.push_back(&flag);
  }
  return all;
}

const Flag* findFlag(const Verb& verb, std::string_view name) {
  for (const Flag* flag : allFlags(verb)) {
    if (name == flag->name) return flag;
  }
  return nullptr;
}

const Flag* findFlag(const Verb& verb, char letter) {
  for (const Flag* flag : allFlags(verb)) {
    if (letter == flag->letter && letter != 0) return flag;
  }
  return nullptr;
}

Result<Parsed> parseArguments(const Verb& verb, std::span<char* const> argv) {
  return ArgumentParser(verb, argv).run();
}

}  // namespace lightv::cli
