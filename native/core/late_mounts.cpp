#include "core/late_mounts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "core/child.hpp"
#include "core/sandbox_builder.hpp"
#include "sys/text.hpp"
#include "sys/vfork.hpp"
#include "sys/wait.hpp"

namespace lightv {
namespace {

/** What the child is told. */
struct Attaching {
  const Namespaces& namespaces;
  const std::vector<Operation>& operations;
};

/** Of what fails it is enough to know that it did: the start from nothing that follows tells. */
void attachAll(void* context) {
  const Attaching& attaching = *static_cast<const Attaching*>(context);
  const Reporter reporter(-1);
  attaching.namespaces.enter(reporter);
  if (attaching.namespaces.userNamespace() >= 0) becomeNamespaceRoot(reporter);
  // Other ids have done it already, to the caller too, whose memory it is: nobody inside may look into that.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  (void)::umask(0);
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return;
  SandboxBuilder(root, SandboxBuilder::Marks::user, reporter).run(attaching.operations);
  ::_exit(0);
}

/** An absolute path in which no part means something else. */
bool isPlain(const std::string& path) {
  const std::vector<std::string> parts = split(path, '/');
  const auto isOdd = [](const std::string& part) { return part.empty() || part == "." || part == ".."; };
  return path.starts_with("/") && std::none_of(parts.begin() + 1, parts.end(), isOdd);
}

bool isSettled(const Operation& operation) {
  return operation.step != Step::bind || operation.settled;
}

}  // namespace

bool canMountLate(const Mount& mount) {
  static constexpr std::array<const char*, 3> ownFiles{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
  static constexpr std::array<const char*, 3> ownTrees{"/dev", "/proc", "/sys"};
  const std::string& target = mount.target;
  const auto isOwnFile = [&](const char* file) { return target == file; };
  const auto isInOwnTree = [&](const char* tree) { return isWithin(target, tree); };
  return isPlain(target) && std::none_of(ownFiles.begin(), ownFiles.end(), isOwnFile) &&
         std::none_of(ownTrees.begin(), ownTrees.end(), isInOwnTree);
}

Result<LateMounts> LateMounts::open(const Parked& parked, const Spec& spec) {
  LateMounts mounts;
  mounts.operations_ = planMounts(spec);
  for (const Mount& mount : spec.mounts) {
    if (Status checked = checkTarget(mount.target); !checked) return checked.error();
  }
  for (Operation& operation : mounts.operations_) {
    Status opened = operation.step == Step::bind ? prepareBind(operation) : Status();
    if (!opened) return opened.error();
    // Before 5.12: by a path in /proc that is not there for who comes from outside.
    if (!isSettled(operation)) return Error{"mount attributes", ENOTSUP, operation.source};
  }
  Result<Namespaces> namespaces = Namespaces::of(parked.launched.initPid);
  if (!namespaces) return namespaces.error();
  mounts.namespaces_ = std::move(*namespaces);
  const bool hasUserNamespace = parked.idBase != 0;
  Status opened = mounts.namespaces_.open(CLONE_NEWNS | (hasUserNamespace ? CLONE_NEWUSER : 0));
  if (!opened) return opened.error();
  if (!hasUserNamespace) return mounts;
  std::vector<std::string> warnings;
  const int user = mounts.namespaces_.userNamespace();
  if (Status mapped = mapOperations(spec, mounts.operations_, -1, user, warnings); !mapped) return mapped.error();
  if (!warnings.empty()) return Error{"mount", ENOTSUP, warnings[0]};
  return mounts;
}

Status LateMounts::attach() const {
  if (operations_.empty()) return {};
  Attaching attaching{namespaces_, operations_};
  const pid_t pid = sys::vforkCall(attachAll, &attaching);
  if (pid < 0) return Error{"fork", errno, "a process that mounts"};
  if (sys::awaitExit(pid) == 0) return {};
  return Error{"mount", EIO, "into a sandbox that stands"};
}

}  // namespace lightv
