// The service's start program: decides between the agent that was installed and those that came over the air.
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "slots/launch.hpp"
#include "slots/tree.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr const char* kDefaultConfig = "/etc/lightv/lightvd.conf";
constexpr std::string_view kEnded = "--ended";

/** The tree that this binary belongs to; links to the binary are followed. */
std::string ownTree() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string binary(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return parentPath(parentPath(binary));
}

/** The last `--name VALUE` or `--name=VALUE` of lightvd's own arguments. */
std::string valueOf(const std::vector<std::string>& args, const std::string& flag) {
  std::string value;
  for (std::size_t at = 0; at < args.size(); ++at) {
    if (args[at] == flag && at + 1 < args.size()) value = args[++at];
    if (args[at].starts_with(flag + "=")) value = args[at].substr(flag.size() + 1);
  }
  return value;
}

/** `root` or `runroot` of lightvd's configuration: launcher and agent must mean the same. Empty when it isn't there. */
std::string pathOfConfig(const std::string& path, std::string_view key) {
  const Result<std::string> text = readFile(path);
  if (!text) return "";
  for (const std::string& line : split(*text, '\n')) {
    const std::size_t at = line.find('=');
    if (at != std::string::npos && trim(std::string_view(line).substr(0, at)) == key)
      return std::string(trim(std::string_view(line).substr(at + 1)));
  }
  return "";
}

std::string pathOf(const std::string& key, const std::vector<std::string>& args, const std::string& otherwise) {
  if (std::string given = valueOf(args, "--" + key); !given.empty()) return given;
  const std::string config = valueOf(args, "--config");
  std::string path = pathOfConfig(config.empty() ? kDefaultConfig : config, key);
  return path.empty() ? otherwise : path;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int runAgentLaunch(const Engine& engine, const Parsed& parsed) {
  std::vector<std::string> args = parsed.args;
  const bool ended = !args.empty() && args.front() == kEnded;
  if (ended) args.erase(args.begin());
  const SlotFiles files{pathOf("root", args, engine.paths().root) + "/agent/slots",
                        pathOf("runroot", args, engine.paths().run)};
  const std::string tree = ownTree();
  const Result<Release> release = readRelease(tree);
  const LaunchOptions options{files, tree, release ? release->version : ""};
  if (ended) {
    const ServiceEnd end{variable("SERVICE_RESULT"), variable("EXIT_CODE"), variable("EXIT_STATUS")};
    const Status noted = noteServiceEnd(options, end);
    return noted ? 0 : fail(parsed, noted.error());
  }
  return fail(parsed, launchAgent(options, args), kNotInvokable);
}

}  // namespace

constinit const Verb kAgentLaunch = {.name = "agent-launch",
                                     .group = Group::hidden,
                                     .usage = "[--ended] [LIGHTVD-ARG...]",
                                     .summary = "Become the agent: the installed one, or one that came over the air",
                                     .maxArgs = kMany,
                                     .allAreArguments = true,
                                     .run = runAgentLaunch};

}  // namespace lightv::cli
