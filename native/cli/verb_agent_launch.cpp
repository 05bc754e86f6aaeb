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

/** `root` of lightvd's configuration: launcher and agent must mean the same directory. Empty when it isn't there. */
std::string rootOfConfig(const std::string& path) {
  const Result<std::string> text = readFile(path);
  if (!text) return "";
  for (const std::string& line : split(*text, '\n')) {
    const std::size_t at = line.find('=');
    if (at != std::string::npos && trim(std::string_view(line).substr(0, at)) == "root")
      return std::string(trim(std::string_view(line).substr(at + 1)));
  }
  return "";
}

std::string rootOf(const Engine& engine, const std::vector<std::string>& args) {
  if (std::string given = valueOf(args, "--root"); !given.empty()) return given;
  const std::string config = valueOf(args, "--config");
  if (std::string root = rootOfConfig(config.empty() ? kDefaultConfig : config); !root.empty()) return root;
  return engine.paths().root;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int runAgentLaunch(const Engine& engine, const Parsed& parsed) {
  std::vector<std::string> args = parsed.args;
  const bool ended = !args.empty() && args.front() == kEnded;
  if (ended) args.erase(args.begin());
  const SlotFiles files{rootOf(engine, args) + "/agent/slots"};
  if (ended) {
    const ServiceEnd end{variable("SERVICE_RESULT"), variable("EXIT_CODE"), variable("EXIT_STATUS")};
    const Status noted = noteServiceEnd(files, end);
    return noted ? 0 : fail(parsed, noted.error());
  }
  const std::string tree = ownTree();
  const Result<Release> release = readRelease(tree);
  const LaunchOptions options{files, tree, release ? release->version : ""};
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
