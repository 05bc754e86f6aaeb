#include "engine/names.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "monitor/lock.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

constexpr std::array<std::string_view, 48> kAdjectives = {
    "able",  "agile", "amber",  "bold",   "brave", "bright", "brisk",  "calm",  "clear",  "clever", "cosy",   "crisp",
    "deft",  "eager", "early",  "fair",   "fleet", "fresh",  "gentle", "glad",  "golden", "happy",  "jolly",  "keen",
    "kind",  "light", "lively", "lucid",  "lucky", "mellow", "merry",  "neat",  "nimble", "noble",  "plucky", "proud",
    "quick", "quiet", "ready",  "silent", "snug",  "spry",   "steady", "sunny", "swift",  "tidy",   "vivid",  "witty"};
constexpr std::array<std::string_view, 48> kNouns = {
    "beacon", "birch",   "brook",  "canyon",  "cedar",   "cliff",  "cloud",  "comet",  "coral",  "creek",
    "dune",   "ember",   "falcon", "fern",    "finch",   "fjord",  "forest", "glade",  "harbor", "hazel",
    "heron",  "island",  "lagoon", "lark",    "lichen",  "lotus",  "maple",  "meadow", "mesa",   "moss",
    "otter",  "pebble",  "pine",   "prairie", "quartz",  "rapids", "raven",  "reef",   "ridge",  "river",
    "robin",  "sparrow", "spruce", "summit",  "thicket", "tundra", "valley", "willow"};

bool isLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Error inUse(const std::string& name, const std::string& id) {
  return Error{"Conflict. The sandbox name \"" + name + "\" is already in use by sandbox " + id, EEXIST, "",
               "remove or rename that sandbox to be able to reuse the name", true};
}

/** Takes a name over that leads to nothing. Only whoever holds the names' lock takes one away. */
Status takeOver(const Paths& paths, const std::string& name, const std::string& id) {
  const Result<Fd> lock = lockNames(paths);
  if (!lock) return lock.error();
  const std::string link = paths.root + "/names/" + name;
  if (const Result<std::string> owner = readName(paths, name)) {
    if (isOwner(paths, *owner)) return inUse(name, *owner);
    if (unlink(link.c_str()) != 0 && errno != ENOENT) return Error{"unlink", errno, link};
  }
  if (symlink(id.c_str(), link.c_str()) == 0) return {};
  if (errno != EEXIST) return Error{"symlink", errno, link};
  return inUse(name, readName(paths, name).ok() ? *readName(paths, name) : "another");
}

}  // namespace

bool isSandboxName(std::string_view name) {
  if (name.size() < 2 || name.size() > 128 || !isLetterOrDigit(name[0])) return false;
  for (const char c : name) {
    if (!isLetterOrDigit(c) && c != '_' && c != '.' && c != '-') return false;
  }
  return true;
}

bool isSandboxId(std::string_view id) {
  return id.size() == 16 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::string> randomHex(unsigned count) {
  std::string bytes((count + 1) / 2, '\0');
  if (sys::randomBytes(bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return Error{"getrandom", errno, "an id"};
  }
  std::string text;
  for (const char byte : bytes) {
    text.push_back("0123456789abcdef"[static_cast<unsigned char>(byte) >> 4]);
    text.push_back("0123456789abcdef"[static_cast<unsigned char>(byte) & 15]);
  }
  text.resize(count);
  return text;
}

Result<std::string> generateName(unsigned attempt) {
  std::uint32_t random[2];
  if (sys::randomBytes(random, sizeof random) != static_cast<ssize_t>(sizeof random)) {
    return Error{"getrandom", errno, "a name"};
  }
  std::string name(kAdjectives[random[0] % kAdjectives.size()]);
  name.append("_").append(kNouns[random[1] % kNouns.size()]);
  if (attempt > 0) name += std::to_string((random[0] >> 8) % (10U << (3 * (attempt < 8 ? attempt : 8))));
  return name;
}

Result<std::string> readName(const Paths& paths, const std::string& name) {
  const std::string link = paths.root + "/names/" + name;
  char target[PATH_MAX];
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  if (length < 0) return Error{"readlink", errno, link};
  std::string id(target, static_cast<std::size_t>(length));
  if (!isSandboxId(id)) return Error{"readlink", EBADMSG, link};
  return id;
}

bool isOwner(const Paths& paths, const std::string& id) {
  const SandboxFiles files(paths, id);
  // In this order: create() renames the one to the other, so a sandbox that is becoming whole is seen in one place.
  if (exists(files.newDirectory())) {
    const Result<LockState> holder = whoHolds(files);
    if (!holder || holder->holder != Holder::nobody) return true;
  }
  return exists(files.directory());
}

Status claimName(const Paths& paths, const std::string& name, const std::string& id) {
  const std::string link = paths.root + "/names/" + name;
  if (symlink(id.c_str(), link.c_str()) == 0) return {};
  if (errno == ENOENT) {
    if (Status made = makeDirs(paths.root + "/names"); !made) return made;
    if (symlink(id.c_str(), link.c_str()) == 0) return {};
  }
  if (errno != EEXIST) return Error{"symlink", errno, link};
  return takeOver(paths, name, id);
}

}  // namespace lightv
