// lightv: global flags, then a verb.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/delegate.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/suggest.hpp"
#include "cli/verbs.hpp"
#include "rootless/roots.hpp"
#include "sys/file.hpp"
#include "version.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kGlobalFlags[] = {
    {.name = "root", .value = "PATH", .help = "Where images and sandboxes lie"},
    {.name = "runroot", .value = "PATH", .help = "Where their run time state lies"},
    {.name = "version", .letter = 'v', .help = "Show the version"},
};
constinit const Verb kGlobal = {.name = "",
                                .group = Group::hidden,
                                .usage = "VERB",
                                .summary = "",
                                .flags = [] { return FlagTables{kGlobalFlags}; },
                                .maxArgs = kMany,
                                .commandFollows = true};

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char* here = ::getcwd(nullptr, 0);
  std::string whole = std::string(here == nullptr ? "" : here) + "/" + path;
  std::free(here);
  return whole;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/** What was given, else empty. */
std::string givenPath(const Parsed& global, const char* flag, const char* name) {
  if (global.has(flag)) return absolute(global.text(flag));
  const std::string value = variable(name);
  return value.empty() ? value : absolute(value);
}

/** An ordinary user's: what was not given is chosen, and what is there must be his alone. */
Status choosePaths(Paths& paths, std::string root, std::string run) {
  paths.rootless = true;
  const User user = currentUser();
  const UserEnvironment environment{variable("XDG_DATA_HOME"), variable("HOME"), variable("XDG_RUNTIME_DIR")};
  Result<std::string> chosenRoot = root.empty() ? userRoot(environment, user) : std::move(root);
  if (!chosenRoot) return chosenRoot.error();
  Result<std::string> chosenRun = run.empty() ? userRunRoot(environment, user) : std::move(run);
  if (!chosenRun) return chosenRun.error();
  paths.root = std::move(*chosenRoot);
  paths.run = std::move(*chosenRun);
  if (Status own = checkOwnDirectory(paths.root, user.uid); !own) return own;
  return checkOwnDirectory(paths.run, user.uid);
}

Status pathsOf(const Parsed& global, Paths& paths) {
  std::string root = givenPath(global, "root", "LIGHTV_ROOT");
  std::string run = givenPath(global, "runroot", "LIGHTV_RUNROOT");
  if (::geteuid() != 0) return choosePaths(paths, std::move(root), std::move(run));
  if (!root.empty()) paths.root = std::move(root);
  if (!run.empty()) paths.run = std::move(run);
  return {};
}

/** Those of which everybody may learn what there is, wherever he may write. */
bool needsPaths(const std::string& verb) {
  return verb != "help" && verb != "version" && verb != "completion" && verb != "__complete";
}

int unknownVerb(const std::string& given) {
  std::vector<std::string_view> names;
  for (const Verb* verb : allVerbs()) {
    if (verb->group != Group::hidden) names.emplace_back(verb->name);
  }
  for (const DelegatedVerb& verb : delegatedVerbs()) names.emplace_back(verb.name);
  std::string text = "\"" + given + "\" is not a verb";
  if (const std::string_view near = nearest(given, names); !near.empty())
    text += ", did you mean \"" + std::string(near) + "\"?";
  complain("", text + " (lightv --help lists them)");
  return 1;
}

int runVerb(const Verb& verb, const Paths& paths, std::span<char* const> argv) {
  const Result<Parsed> parsed = parseArguments(verb, argv);
  if (!parsed) {
    complain(verb.name, parsed.error().message());
    if (parsed.error().hint.empty())
      (void)writeAll(STDERR_FILENO, std::string("See 'lightv ") + verb.name + " --help'.\n", "stderr");
    return kEngineFailed;
  }
  if (parsed->wantsHelp) {
    print(verbHelp(verb));
    return 0;
  }
  return verb.run(Engine(paths), *parsed);
}

/** A closed 0, 1 or 2 would be given to the next file that is opened, and its content to the program's output. */
void holdStandardDescriptors() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

int run(std::span<char* const> argv) {
  holdStandardDescriptors();
  const Result<Parsed> global = parseArguments(kGlobal, argv.subspan(argv.empty() ? 0 : 1));
  if (!global) {
    complain("", global.error().message() + " (lightv --help lists the options)");
    return kEngineFailed;
  }
  if (global->on("version")) {
    print(std::string("lightv version ") + LIGHTV_VERSION + "\n");
    return 0;
  }
  if (global->wantsHelp || global->args.empty()) {
    print(overallHelp());
    return 0;
  }
  Paths paths;
  if (Status chosen = pathsOf(*global, paths); !chosen && needsPaths(global->args[0])) {
    complain("", chosen.error().message());
    return kEngineFailed;
  }
  const std::span<char* const> rest = argv.subspan(argv.size() - global->args.size() + 1);
  if (const Verb* verb = findVerb(global->args[0])) return runVerb(*verb, paths, rest);
  if (const DelegatedVerb* delegated = findDelegated(global->args[0])) return runDelegated(*delegated, paths, rest);
  return unknownVerb(global->args[0]);
}

}  // namespace

}  // namespace lightv::cli

int main(int argc, char** argv) {
  return lightv::cli::run({argv, static_cast<std::size_t>(argc)});
}
