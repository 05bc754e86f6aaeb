#include "core/late_mounts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/child.hpp"
#include "core/sandbox_builder.hpp"
#include "sys/file.hpp"
#include "sys/vfork.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** The child's part: in the caller's memory, so it leaves that as it found it. */
[[noreturn]] void attachAll(const Namespaces& namespaces, bool hasUserNamespace,
                            const std::vector<Operation>& operations) {
  // Of what fails it is enough to know that it did: the start from nothing that follows tells.
  const Reporter reporter(-1);
  namespaces.enter(reporter);
  if (hasUserNamespace) becomeNamespaceRoot(reporter);
  (void)::umask(0);
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) ::_exit(1);
  SandboxBuilder(root, SandboxBuilder::Marks::user, reporter).run(operations);
  ::_exit(0);
}

bool isSettled(const Operation& operation) {
  return operation.step != Step::bind || operation.settled;
}

}  // namespace

bool canMountLate(const Mount& mount) {
  static constexpr std::array<const char*, 3> ownFiles{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
  static constexpr std::array<const char*, 3> ownTrees{"/dev", "/proc", "/sys"};
  const std::string& target = mount.target;
  if (!target.starts_with("/")) return false;
  // A target with "//" or "/./" in it would have to be looked at closer: it can wait.
  const bool plain = target.find("//") == std::string::npos && target.find("/.") == std::string::npos;
  const auto isOwnFile = [&](const char* file) { return target == file; };
  const auto isInOwnTree = [&](const char* tree) {
    return target == tree || target.starts_with(std::string(tree) + "/");
  };
  return plain && std::none_of(ownFiles.begin(), ownFiles.end(), isOwnFile) &&
         std::none_of(ownTrees.begin(), ownTrees.end(), isInOwnTree);
}

Result<LateMounts> LateMounts::open(const Parked& parked, const Spec& spec) {
  LateMounts mounts;
  mounts.operations_ = planMounts(spec);
  mounts.hasUserNamespace_ = parked.idBase != 0;
  for (const Mount& mount : spec.mounts) {
    if (Status checked = checkTarget(mount.target); !checked) return checked.error();
  }
  for (Operation& operation : mounts.operations_) {
    Status opened = operation.step == Step::bind ? prepareBind(operation) : Status();
    if (!opened) return opened.error();
    // Before 5.12: by a path in /proc that is not there for who comes from outside.
    if (!isSettled(operation)) return Error{"mount attributes", ENOTSUP, operation.source};
  }
  const pid_t init = parked.launched.initPid;
  Result<Namespaces> namespaces = Namespaces::of(init);
  if (!namespaces) return namespaces.error();
  mounts.namespaces_ = std::move(*namespaces);
  const int flags = CLONE_NEWNS | (mounts.hasUserNamespace_ ? CLONE_NEWUSER : 0);
  if (Status opened = mounts.namespaces_.open(flags); !opened) return opened.error();
  if (!mounts.hasUserNamespace_) return mounts;
  const Result<Fd> user = openFile("/proc/" + std::to_string(init) + "/ns/user", O_RDONLY);
  if (!user) return user.error();
  std::vector<std::string> warnings;
  if (Status mapped = mapOperations(spec, mounts.operations_, -1, user->get(), warnings); !mapped) {
    return mapped.error();
  }
  if (!warnings.empty()) return Error{"mount", ENOTSUP, warnings[0]};
  return mounts;
}

Status LateMounts::attach() const {
  if (operations_.empty()) return {};
  const long pid = sys::vforkHere();
  if (pid == 0) attachAll(namespaces_, hasUserNamespace_, operations_);
  if (pid < 0) return Error{"fork", static_cast<int>(-pid), "a process that mounts"};
  if (sys::awaitExit(static_cast<pid_t>(pid)) == 0) return {};
  return Error{"mount", EIO, "into a sandbox that stands"};
}

}  // namespace lightv
