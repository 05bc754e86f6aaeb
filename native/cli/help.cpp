#include "cli/help.hpp"

#include <algorithm>

#include "cli/delegate.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr std::size_t kIndent = 2, kGap = 3;

struct Entry {
  std::string left, right;
};

std::string columns(const std::vector<Entry>& entries) {
  std::size_t width = 0;
  for (const Entry& entry : entries) width = std::max(width, entry.left.size());
  std::string text;
  for (const Entry& entry : entries) {
    text.append(kIndent, ' ')
        .append(entry.left)
        .append(width - entry.left.size() + kGap, ' ')
        .append(entry.right)
        .append("\n");
  }
  return text;
}

std::string section(const char* title, Group group) {
  std::vector<Entry> entries;
  for (const Verb* verb : allVerbs()) {
    if (verb->group == group) entries.push_back({verb->name, verb->summary});
  }
  if (group == Group::image || group == Group::other) {
    for (const DelegatedVerb& verb : delegatedVerbs()) {
      const bool image = verb.passName;  // the bundle of verbs about images
      if (image == (group == Group::image)) entries.push_back({verb.name, verb.summary});
    }
  }
  return std::string("\n") + title + "\n" + columns(entries);
}

std::string leftSide(const Flag& flag) {
  std::string text = flag.letter == 0 ? "    " : std::string("-") + flag.letter + ", ";
  text.append("--").append(flag.name);
  if (flag.value != nullptr) text.append(" ").append(flag.value);
  return text;
}

}  // namespace

std::string overallHelp() {
  std::string text =
      "Usage: lightv [GLOBAL OPTIONS] VERB [OPTIONS] [ARGUMENTS]\n\n"
      "Runs programs from images in sandboxes. No daemon is needed.\n";
  text += section("Everyday verbs:", Group::common);
  text += section("Sandboxes:", Group::manage);
  text += section("Images:", Group::image);
  text += section("Others:", Group::other);
  text += "\nGlobal options:\n";
  text += columns({{"--root PATH", "Where images and sandboxes lie (/var/lib/lightv, LIGHTV_ROOT)"},
                   {"--runroot PATH", "Where their run time state lies (/run/lightv, LIGHTV_RUNROOT)"},
                   {"-h, --help", "Show this"},
                   {"-v, --version", "Show the version"}});
  text += "\n'lightv VERB --help' tells more about a verb.\n";
  return text;
}

std::string verbHelp(const Verb& verb) {
  std::string text = std::string("Usage: lightv ") + verb.name;
  if (*verb.usage != '\0') text.append(" ").append(verb.usage);
  text.append("\n\n").append(verb.summary).append("\n");
  std::vector<const Flag*> flags = allFlags(verb);
  if (flags.empty()) return text;
  std::sort(flags.begin(), flags.end(),
            [](const Flag* one, const Flag* other) { return std::string_view(one->name) < other->name; });
  std::vector<Entry> entries;
  entries.reserve(flags.size());
  for (const Flag* flag : flags) entries.push_back({leftSide(*flag), flag->help});
  return text + "\nOptions:\n" + columns(entries);
}

}  // namespace lightv::cli
