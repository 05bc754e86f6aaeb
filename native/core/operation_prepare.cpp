#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/device_nodes.hpp"
#include "core/mount_calls.hpp"
#include "core/operation.hpp"
#include "core/root_fs.hpp"
#include "core/sysctl.hpp"
#include "core/user_namespace.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

std::string hostFile(const char* path) {
  Result<std::string> text = readFile(path, 64U << 10);
  return text ? std::move(*text) : std::string();
}

std::string ownHosts(const Spec& spec) {
  std::string text =
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  if (!spec.hostname.empty()) text += "127.0.1.1\t" + spec.hostname + "\n";
  return text;
}

/** Has a read-only image all the places that something will be mounted on? */
bool hasTargets(const Spec& spec, int rootMount) {
  const RootFs root(rootMount);
  for (const char* path : {"/proc", "/dev", "/sys"}) {
    if (!root.has(path)) return false;
  }
  return std::all_of(spec.mounts.begin(), spec.mounts.end(), [&](const Mount& mount) {
    const bool inAnother =
        isWithin(mount.target, "/dev") || std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const Mount& other) {
          return mount.target != other.target && isWithin(mount.target, other.target);
        });
    return inAnother || root.has(mount.target.c_str());
  });
}

Status prepareDevice(Operation& operation) {
  struct stat info {};
  if (::stat(operation.source.c_str(), &info) < 0) return Error{"device", errno, operation.source};
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return Error{"device", ENODEV, operation.source, "not a character or block device"};
  }
  operation.mode = info.st_mode;
  operation.device = info.st_rdev;
  return {};
}

/** The host's own node, where there can be no other. */
Status bindDevice(Operation& operation) {
  Operation node;
  node.source = operation.source;
  node.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  if (Status prepared = prepareBind(node); !prepared) return prepared;
  operation.fd = std::move(node.fd);
  operation.attributes = node.attributes;
  operation.settled = node.settled;
  operation.isDirectory = false;
  return {};
}

Status bindDevices(std::vector<Operation>& operations) {
  for (Operation& operation : operations) {
    if (operation.step == Step::nodes) operation.fd.reset();
    if (operation.step != Step::device) continue;
    if (Status bound = bindDevice(operation); !bound) return bound;
  }
  return {};
}

/** A user namespace other than the first may not make nodes. */
Status prepareNodes(std::vector<Operation>& operations, std::uint32_t idBase) {
  Status made = makeDeviceNodes(operations, idBase);
  return made || made.error().err != EPERM ? made : bindDevices(operations);
}

Status prepareOverlay(Operation& operation, bool mapped) {
  if (operation.source.empty()) return {};
  const std::string& work = operation.options[0].second;
  if (parentPath(operation.source) != parentPath(work)) {
    return Error{"overlay", EXDEV, operation.source, "upper and work directory must lie side by side"};
  }
  if (!mapped) return {};
  operation.fd.reset(mounts::cloneTree(AT_FDCWD, parentPath(operation.source).c_str(), false));
  if (!operation.fd) return Error{"mount", errno, operation.source};
  return {};
}

}  // namespace

PlanFacts gatherFacts(const Spec& spec, const LaunchParts& parts) {
  PlanFacts facts;
  facts.overlay = !spec.readOnlyRoot || !hasTargets(spec, parts.rootMount);
  if (!spec.readOnlyRoot) {
    facts.upper = parts.upperDir;
    facts.work = parts.workDir;
  }
  if (parts.cgroup != nullptr) {
    facts.cgroups = parts.cgroup->directories();
    facts.unified = parts.cgroup->isUnified();
  }
  const bool shared = spec.network == Network::host;
  facts.hosts = shared ? hostFile("/etc/hosts") : ownHosts(spec);
  if (shared) facts.resolv = hostFile("/etc/resolv.conf");
  return facts;
}

// Names that decide by themselves where they lead ("..") have no use in a target; the last word has RootFs.
Status checkTarget(const std::string& target) {
  const std::vector<std::string> parts = split(target, '/');
  const bool up = std::find(parts.begin(), parts.end(), "..") != parts.end();
  const std::string clean = cleanPath(target);
  if (target.empty() || target[0] != '/' || up || clean == "/" || isWithin(clean, "/proc")) {
    return Error{"mount target", EINVAL, target, "it must be absolute, not /, not below /proc and without \"..\""};
  }
  return {};
}

Status prepareBind(Operation& operation) {
  operation.fd.reset(mounts::cloneTree(AT_FDCWD, operation.source.c_str(), operation.recursive));
  if (!operation.fd) {
    const char* hint = errno == ENOENT ? "the source of a bind mount must exist on the host" : "";
    return Error{"mount", errno, operation.source, hint};
  }
  struct stat info {};
  if (::fstat(operation.fd.get(), &info) < 0) return Error{"stat", errno, operation.source};
  operation.isDirectory = S_ISDIR(info.st_mode);
  operation.settled = mounts::setAttributes(operation.fd.get(), operation.attributes, operation.recursive) == 0;
  if (!operation.settled && errno != ENOSYS) return Error{"mount attributes", errno, operation.source};
  return {};
}

Status prepareOperations(const Spec& spec, std::vector<Operation>& operations) {
  if (Status checked = checkSysctls(spec); !checked) return checked;
  const bool mapped = spec.userns == UserNamespace::automatic;
  for (const Mount& mount : spec.mounts) {
    if (Status checked = checkTarget(mount.target); !checked) return checked;
  }
  for (Operation& operation : operations) {
    Status status;
    if (operation.step == Step::bind) status = prepareBind(operation);
    if (operation.step == Step::device) status = prepareDevice(operation);
    if (operation.step == Step::overlay) status = prepareOverlay(operation, mapped);
    if (!status) return status;
  }
  if (spec.userns == UserNamespace::rootless) return bindDevices(operations);
  return mapped ? prepareNodes(operations, spec.idBase) : Status();
}

Status mapOperations(const Spec& spec, std::vector<Operation>& operations, int rootMount, int userNamespace,
                     std::vector<std::string>& warnings) {
  for (Operation& operation : operations) {
    if (!operation.mapIds) continue;
    const bool isRoot = operation.step == Step::root;
    if (!isRoot && !operation.fd) continue;
    const int fd = isRoot ? rootMount : operation.fd.get();
    if (mounts::mapIds(fd, userNamespace, operation.recursive) == 0) continue;
    // Another errno is a passing shortage, and no reason to go without for good.
    const bool refused = errno == EINVAL || errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP;
    const Error error{refused ? kUserNamespaceOp : "mount_setattr", errno,
                      "map the ids of " + (isRoot ? "the image" : operation.source),
                      "this kernel or file system has no id-mapped mounts: use the host's user namespace"};
    if (operation.step != Step::bind || !spec.usernsRequired) return error;
    warnings.push_back(error.message());
  }
  return {};
}

}  // namespace lightv
