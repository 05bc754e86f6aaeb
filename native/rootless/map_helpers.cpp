#include "rootless/map_helpers.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "sys/text.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** What it says goes to `says`. */
bool runHelper(const std::string& helper, pid_t target, const IdMap& map, int says) {
  std::vector<std::string> words{helper, std::to_string(target)};
  for (const IdExtent& extent : map) {
    for (const std::uint32_t number : {extent.inside, extent.outside, extent.count})
      words.push_back(std::to_string(number));
  }
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::dup2(says, STDERR_FILENO);
    ::execv(helper.c_str(), argv.data());
    ::_exit(127);
  }
  return pid > 0 && sys::awaitExit(pid) == 0;
}

}  // namespace

std::string findHelper(const char* name) {
  const char* variable = std::getenv("PATH");
  const std::string path = variable == nullptr || *variable == '\0' ? "/usr/bin:/bin:/usr/sbin:/sbin" : variable;
  for (const std::string& directory : split(path, ':')) {
    if (!directory.starts_with('/')) continue;
    std::string file = directory + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

Result<MapHelpers> findMapHelpers() {
  MapHelpers helpers{findHelper("newuidmap"), findHelper("newgidmap")};
  if (!helpers.users.empty() && !helpers.groups.empty()) return helpers;
  const char* missing = helpers.users.empty() ? "newuidmap is not installed" : "newgidmap is not installed";
  return Error{"user namespace", 0, missing, "as root: apt-get install uidmap (Fedora: shadow-utils)", true};
}

bool runMapHelpers(const MapHelpers& helpers, const UserMaps& maps, pid_t target, int says) {
  return runHelper(helpers.users, target, maps.users, says) && runHelper(helpers.groups, target, maps.groups, says);
}

}  // namespace lightv
