#include "core/user_namespace.hpp"

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "rootless/id_map.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr const char* kWayOut = "--userns host does without";

std::string procOf(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

/** Before 5.19 an overlay takes no mapped layer. A /proc or /sys of which the engine itself sees only a part can't be
 * mounted anew (mount_too_revealing() in the kernel). */
bool isRefusedMount(const Error& error) {
  constexpr std::array<std::string_view, 3> places{"/", "/proc", "/sys"};
  const bool isPlace = std::find(places.begin(), places.end(), error.detail) != places.end();
  return error.op == "mount" && isPlace && (error.err == EINVAL || error.err == EPERM);
}

/** The kernel gave some switches of a namespace to its owner only with time (kernel.shm*: 6.11). */
bool isRefusedSwitch(const Error& error) {
  return error.op == "sysctl" && (error.err == EACCES || error.err == EPERM);
}

}  // namespace

bool isAboutUserNamespace(const Error& error) {
  return error.op == kUserNamespaceOp;
}

bool refusesUserNamespace(int err) {
  if (err == EINVAL || err == ENOSYS || err == EPERM) return true;
  // Some kind of namespace is used up; of this kind there may be none at all (user_namespaces(7), max_user_namespaces).
  if (err != ENOSPC && err != EUSERS) return false;
  const Result<std::string> most = readFile("/proc/sys/user/max_user_namespaces");
  return most && trim(*most) == "0";
}

Error judgeInUserNamespace(const Error& error) {
  if (!isRefusedMount(error) && !isRefusedSwitch(error)) return error;
  Error about = error.wrap(kUserNamespaceOp);
  about.hint = kWayOut;
  return about;
}

Error judgeRootless(const Error& error) {
  if (!isRefusedMount(error)) return error;
  Error about = error;
  about.hint = error.detail == "/"
                   ? "an overlay in a user namespace needs Linux 5.11, and a root on a local file system"
                   : "something is mounted over parts of it: inside of a container there is no other";
  return about;
}

Status checkIdMapping() {
  if (sys::mountSetattr(-1, "", 0, {}) == 0 || errno != ENOSYS) return {};
  return Error{kUserNamespaceOp, ENOSYS, "map ids",
               "this kernel has no id-mapped mounts: use the host's user namespace, or Linux 5.19"};
}

Result<UserNamespaceMaps> rangeMaps(std::uint32_t idBase) {
  const std::string map = "0 " + std::to_string(idBase) + " " + std::to_string(kIdRangeSize) + "\n";
  return UserNamespaceMaps{map, map};
}

Result<UserNamespaceMaps> ownMaps() {
  const Result<std::string> users = readFile("/proc/self/uid_map");
  if (!users) return users.error();
  const Result<std::string> groups = readFile("/proc/self/gid_map");
  if (!groups) return groups.error();
  const Result<IdMap> userMap = sameIdsBelow(*users);
  if (!userMap) return userMap.error();
  const Result<IdMap> groupMap = sameIdsBelow(*groups);
  if (!groupMap) return groupMap.error();
  return UserNamespaceMaps{toText(*userMap), toText(*groupMap)};
}

Status writeIdMaps(pid_t pid, const UserNamespaceMaps& maps) {
  for (const auto& [file, map] : {std::pair("/uid_map", &maps.users), std::pair("/gid_map", &maps.groups)}) {
    Status written = writeControlFile(procOf(pid) + file, *map);
    if (written) continue;
    // EPERM: the engine's own user namespace has not these ids.
    if (written.error().err != EPERM) return written;
    return Error{kUserNamespaceOp, EPERM, "ids " + std::string(trim(*map)), kWayOut};
  }
  return {};
}

void raiseLimits(pid_t pid, const Process& process) {
  for (const Process::Limit& limit : process.limits) {
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    rlimit64 now{};
    if (::prlimit64(pid, resource, nullptr, &now) < 0 || limit.value.rlim_max <= now.rlim_max) continue;
    now.rlim_max = limit.value.rlim_max;
    (void)::prlimit64(pid, resource, &now, nullptr);
  }
}

void giveStreams(const Stdio& stdio, std::uint32_t idBase, uid_t uid) {
  if (uid >= kIdRangeSize) return;
  for (const int fd : {stdio.in, stdio.out, stdio.err}) {
    struct stat info {};
    struct statfs fs {};
    // A FIFO with a name is somebody's file.
    const bool isPipe = fd >= 0 && ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode) && ::fstatfs(fd, &fs) == 0 &&
                        fs.f_type == PIPEFS_MAGIC;
    // Its group too: the workload's root has a say only over what has both ids in its range.
    if (isPipe) (void)!::fchown(fd, idBase + uid, idBase);
  }
}

Result<std::uint32_t> idBaseOf(pid_t pid) {
  struct stat own {};
  struct stat theirs {};
  const std::string path = procOf(pid) + "/ns/user";
  // A kernel without user namespaces has no such file.
  if (::stat("/proc/self/ns/user", &own) < 0) return 0U;
  if (::stat(path.c_str(), &theirs) < 0) return Error{"stat", errno, path};
  if (own.st_ino == theirs.st_ino && own.st_dev == theirs.st_dev) return 0U;
  const Result<std::string> map = readFile(procOf(pid) + "/uid_map");
  if (!map) return map.error();
  std::vector<std::string> words = split(*map, ' ');
  std::erase(words, "");
  const auto base = words.size() < 3 ? std::nullopt : parseInteger<std::uint32_t>(words[1]);
  if (!base) return Error{"read", EBADMSG, procOf(pid) + "/uid_map"};
  return *base;
}

}  // namespace lightv
