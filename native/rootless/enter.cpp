#include "rootless/enter.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "rootless/map_helpers.hpp"
#include "rootless/refusal.hpp"
#include "rootless/user.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/pipe.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

constexpr const char* kWhat = "user namespace";

/** The process outside, for helpers must be there: waits until `target` is inside, then has its ids mapped. */
[[noreturn]] void mapFromOutside(const MapHelpers& helpers, const UserMaps& maps, pid_t target, int inside, int says) {
  char word = 0;
  const bool isInside = ::read(inside, &word, 1) == 1;
  ::_exit(isInside && runMapHelpers(helpers, maps, target, says) ? 0 : 1);
}

Status becomeRoot() {
  const char* what = nullptr;
  if (sys::setResGid(0) < 0) what = "setgid";
  if (what == nullptr && sys::setGroups(0, nullptr) < 0) what = "setgroups";
  if (what == nullptr && sys::setResUid(0) < 0) what = "setuid";
  return what == nullptr ? Status() : Status(refusal(what, errno, readNamespaceSwitches()));
}

/** What a child tells its parent that all went well. */
constexpr const char* kDone = "done";

/** And of an error: its four texts, each ended by a zero byte, behind the number. */
std::string encode(const Error& error) {
  std::string text = std::to_string(error.err);
  for (const std::string* part : {&error.op, &error.detail, &error.hint}) text.append(1, '\0').append(*part);
  return text.append(1, '\0').append(error.plain ? "1" : "");
}

Status decode(const std::string& text) {
  if (text == kDone) return {};
  if (text.empty()) return Error{"user namespace", ECHILD, "its process was killed"};
  const std::vector<std::string> parts = split(text, '\0');
  if (parts.size() != 5) return Error{"user namespace", EPROTO, "a broken message"};
  return Error{parts[1], parseInteger<int>(parts[0]).value_or(EPROTO), parts[2], parts[3], !parts[4].empty()};
}

}  // namespace

Status enterUserNamespace() {
  const Result<UserMaps> maps = mapsOf(currentUser());
  if (!maps) return maps.error();
  const Result<MapHelpers> helpers = findMapHelpers();
  if (!helpers) return helpers.error();
  Pipe inside;
  Pipe says;
  if (Status made = openPipe(inside, kWhat); !made) return made;
  if (Status made = openPipe(says, kWhat); !made) return made;
  // Whoever has called us may ignore it, and then there is no status to wait for.
  (void)::signal(SIGCHLD, SIG_DFL);
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
  const bool mapped = sys::awaitExit(pid) == 0;
  if (err != 0) return refusal("unshare", err, readNamespaceSwitches());
  if (mapped) return becomeRoot();
  return Error{"user namespace", EPERM, said ? std::string(trim(*said)) : "newuidmap failed",
               "newuidmap and newgidmap must be setuid root, or have the capabilities that their package gives them"};
}

Status inUserNamespace(const std::function<Status()>& work) {
  Pipe told;
  if (Status made = openPipe(told, kWhat); !made) return made;
  const pid_t pid = ::fork();
  if (pid < 0) return Error{"fork", errno, "user namespace"};
  if (pid == 0) {
    Status done = enterUserNamespace();
    if (done.ok()) done = work();
    (void)writeAll(told.write.get(), done.ok() ? std::string(kDone) : encode(done.error()), "told").ok();
    ::_exit(0);
  }
  told.write.reset();
  const Result<std::string> text = readDescriptor(told.read.get(), "told");
  (void)sys::awaitExit(pid);
  return text ? decode(*text) : Status(text.error());
}

Status removeTreeOfIds(const std::string& path) {
  Status removed = removeTree(path);
  if (removed.ok() || ::geteuid() == 0) return removed;
  if (removed.error().err != EACCES && removed.error().err != EPERM) return removed;
  return inUserNamespace([&path] { return removeTree(path); });
}

}  // namespace lightv
