#include "cli/delegate.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <vector>

#include "cli/output.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

namespace {

constexpr DelegatedVerb kVerbs[] = {
    {"import", "cli.mjs", true, "Make an image from a directory or a tar file"},
    {"convert", "cli.mjs", true, "Make an image from an OCI image layout"},
    {"fleet", "fleet-cli.mjs", false, "Talk to a fleet controller: devices, apps, events"},
};

/** `lib/lightv` of the installation that this binary belongs to; links to the binary are followed. */
std::string libraryDirectory() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string binary(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return parentPath(parentPath(binary)) + "/lib/lightv";
}

}  // namespace

std::span<const DelegatedVerb> delegatedVerbs() {
  return kVerbs;
}

const DelegatedVerb* findDelegated(std::string_view name) {
  for (const DelegatedVerb& verb : kVerbs) {
    if (name == verb.name) return &verb;
  }
  return nullptr;
}

int runDelegated(const DelegatedVerb& verb, const Paths& paths, std::span<char* const> argv) {
  const std::string library = libraryDirectory();
  std::string node = library + "/node";
  std::string bundle = library + "/" + verb.bundle;
  for (const std::string& part : {node, bundle}) {
    if (exists(part)) continue;
    complain(
        verb.name,
        part + " is missing: this verb runs on Node; install the whole of LightV (bin and lib), or run npm run build");
    return kEngineFailed;
  }
  ::setenv("LIGHTV_ROOT", paths.root.c_str(), 1);
  ::setenv("LIGHTV_RUNROOT", paths.run.c_str(), 1);
  std::string name = verb.name;
  std::vector<char*> args = {node.data(), bundle.data()};
  if (verb.passName) args.push_back(name.data());
  args.insert(args.end(), argv.begin(), argv.end());
  args.push_back(nullptr);
  ::execv(node.c_str(), args.data());
  complain(verb.name, Error{"execute", errno, node}.message());
  return kEngineFailed;
}

}  // namespace lightv::cli
