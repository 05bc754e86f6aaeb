#include "rootless/enter.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "rootless/refusal.hpp"
#include "rootless/user.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

struct Pipe {
  Fd read, write;
};

Status openPipe(Pipe& made) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{"pipe", errno, "user namespace"};
  made.read.reset(ends[0]);
  made.write.reset(ends[1]);
  return {};
}

int waitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/** A helper's whole command line: what it says goes to `says`. */
bool runHelper(const std::string& helper, pid_t target, const IdMap& map, int says) {
  std::vector<std::string> words{helper, std::to_string(target)};
  for (const IdExtent& extent : map) {
    for (const std::uint32_t number : {extent.inside, extent.outside, extent.count})
      words.push_back(std::to_string(number));
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::dup2(says, STDERR_FILENO);
    ::execv(helper.c_str(), argv.data());
    ::_exit(127);
  }
  return pid > 0 && waitFor(pid) == 0;
}

struct Helpers {
  std::string users, groups;
};

Result<Helpers> findHelpers() {
  Helpers helpers{findHelper("newuidmap"), findHelper("newgidmap")};
  if (!helpers.users.empty() && !helpers.groups.empty()) return helpers;
  return Error{"user namespace", 0,
               helpers.users.empty() ? "newuidmap is not installed" : "newgidmap is not installed",
               "as root: apt-get install uidmap (Fedora: shadow-utils)", true};
}

/** The process outside, for helpers must be there: waits until `target` is inside, then has its ids mapped. */
[[noreturn]] void mapFromOutside(const Helpers& helpers, const UserMaps& maps, pid_t target, int inside, int says) {
  char word = 0;
  if (::read(inside, &word, 1) != 1) ::_exit(1);
  const bool mapped =
      runHelper(helpers.users, target, maps.users, says) && runHelper(helpers.groups, target, maps.groups, says);
  ::_exit(mapped ? 0 : 1);
}

Status becomeRoot() {
  const char* what = nullptr;
  if (sys::setResGid(0) < 0) what = "setgid";
  if (what == nullptr && sys::setGroups(0, nullptr) < 0) what = "setgroups";
  if (what == nullptr && sys::setResUid(0) < 0) what = "setuid";
  return what == nullptr ? Status() : Status(refusal(what, errno, readNamespaceSwitches()));
}

/** What a child tells its parent of an error: its four texts, each ended by a zero byte, behind the number. */
std::string encode(const Error& error) {
  std::string text = std::to_string(error.err);
  for (const std::string* part : {&error.op, &error.detail, &error.hint}) text.append(1, '\0').append(*part);
  return text.append(1, '\0').append(error.plain ? "1" : "");
}

Status decode(const std::string& text) {
  if (text.empty()) return {};
  const std::vector<std::string> parts = split(text, '\0');
  if (parts.size() != 5) return Error{"user namespace", EPROTO, "a broken message"};
  return Error{parts[1], parseInteger<int>(parts[0]).value_or(EPROTO), parts[2], parts[3], !parts[4].empty()};
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

Status enterUserNamespace() {
  const Result<UserMaps> maps = mapsOf(currentUser());
  if (!maps) return maps.error();
  const Result<Helpers> helpers = findHelpers();
  if (!helpers) return helpers.error();
  Pipe inside;
  Pipe says;
  if (Status made = openPipe(inside); !made) return made;
  if (Status made = openPipe(says); !made) return made;
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{"fork", errno, "user namespace"};
  if (pid == 0) {
    inside.write.reset();
    mapFromOutside(*helpers, *maps, self, inside.read.get(), says.write.get());
  }
  says.write.reset();
  const int err = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? errno : 0;
  if (err == 0) (void)!::write(inside.write.get(), "1", 1);
  inside.write.reset();
  const Result<std::string> said = readDescriptor(says.read.get(), "newuidmap");
  const bool mapped = waitFor(pid) == 0;
  if (err != 0) return refusal("unshare", err, readNamespaceSwitches());
  if (mapped) return becomeRoot();
  return Error{"user namespace", EPERM, said ? std::string(trim(*said)) : "newuidmap failed",
               "newuidmap and newgidmap must be setuid root, or have the capabilities that their package gives them"};
}

Status inUserNamespace(const std::function<Status()>& work) {
  Pipe told;
  if (Status made = openPipe(told); !made) return made;
  const pid_t pid = ::fork();
  if (pid < 0) return Error{"fork", errno, "user namespace"};
  if (pid == 0) {
    Status done = enterUserNamespace();
    if (done.ok()) done = work();
    if (!done.ok()) (void)writeAll(told.write.get(), encode(done.error()), "told").ok();
    ::_exit(done.ok() ? 0 : 1);
  }
  told.write.reset();
  const Result<std::string> text = readDescriptor(told.read.get(), "told");
  const int code = waitFor(pid);
  if (!text) return text.error();
  if (code != 0 && text->empty()) return Error{"user namespace", ECHILD, "its process was killed"};
  return decode(*text);
}

Status removeTreeOfIds(const std::string& path) {
  Status removed = removeTree(path);
  if (removed.ok() || ::geteuid() == 0) return removed;
  if (removed.error().err != EACCES && removed.error().err != EPERM) return removed;
  return inUserNamespace([&path] { return removeTree(path); });
}

}  // namespace lightv
