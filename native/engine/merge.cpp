#include "engine/merge.hpp"

#include <algorithm>
#include <cerrno>

#include "core/apparmor.hpp"
#include "core/capabilities.hpp"
#include "core/seccomp_profile.hpp"
#include "core/sysctl.hpp"
#include "engine/names.hpp"
#include "sys/signals.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string_view keyOf(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

bool hasKey(const std::vector<std::string>& env, std::string_view key) {
  return std::any_of(env.begin(), env.end(), [key](const std::string& entry) { return keyOf(entry) == key; });
}

Status mergeArgs(const CreateRequest& request, const ImageConfig& image, Spec& spec) {
  std::vector<std::string> entrypoint = request.entrypoint.value_or(image.entrypoint);
  // `--entrypoint ""` is Docker's way to have none.
  if (entrypoint.size() == 1 && entrypoint[0].empty()) entrypoint.clear();
  spec.args = std::move(entrypoint);
  const bool useCmd = request.command.empty() && !request.entrypoint;
  const std::vector<std::string>& command = useCmd ? image.cmd : request.command;
  spec.args.insert(spec.args.end(), command.begin(), command.end());
  if (!spec.args.empty() && !spec.args[0].empty()) return {};
  return Error{"create", EINVAL, "no command specified", "name one, or use an image that has one", true};
}

void mergeEnvironment(const ImageConfig& image, Spec& spec) {
  spec.env = mergeEnv(image.env, spec.env);
  if (!hasKey(spec.env, "PATH")) spec.env.insert(spec.env.begin(), kDefaultPath);
  if (!hasKey(spec.env, "HOSTNAME")) spec.env.insert(spec.env.begin() + 1, "HOSTNAME=" + spec.hostname);
  if (spec.terminal && !hasKey(spec.env, "TERM")) spec.env.insert(spec.env.begin() + 2, "TERM=xterm");
}

Status mergeRights(const CreateRequest& request, Spec& spec) {
  const std::vector<std::string> all{"ALL"};
  auto capabilities = resolveCapabilities(request.privileged ? all : request.capAdd, request.capDrop);
  if (!capabilities) return capabilities.error();
  spec.capabilities = std::move(*capabilities);
  if (request.privileged) {
    spec.maskPaths = spec.noNewPrivileges = spec.landlock = false;
    if (spec.appArmor.empty()) spec.appArmor = kAppArmorUnconfined;
    spec.seccomp = !spec.seccompProfile.empty();  // a profile that was asked for holds, as in Docker
  }
  if (Status checked = checkSysctls(spec); !checked) return checked;
  if (spec.seccompProfile.empty()) return {};
  // Read here so that who makes the sandbox is told; each start and exec reads it again.
  const Result<CapabilitySet> set = capabilitySet(spec.capabilities);
  if (!set) return set.error();
  const Result<ProfileProgram> program = readSeccompProfile(spec.seccompProfile, *set);
  return program ? Status() : Status(program.error());
}

bool runsAsRoot(const Spec& spec) {
  const std::string user = spec.user.substr(0, spec.user.find(':'));
  return user.empty() || user == "0" || user == "root";
}

/** Always in a user namespace: without, an ordinary user may make no sandbox. --privileged has its rights there. */
Status mergeRootless(const CreateRequest& request, Spec& spec) {
  if (request.usernsGiven && spec.userns == UserNamespace::host) {
    return Error{"create", EPERM, "--userns host is for root", "leave it out: your sandboxes have your own ids only",
                 true};
  }
  if (spec.storageSizeBytes != 0) {
    return Error{"create", EPERM, "--storage-opt size is for root: it takes a loop device", "leave it out", true};
  }
  spec.userns = UserNamespace::rootless;
  return {};
}

/**
 * A user namespace unless the sandbox is to have rights over the host, which would be none from inside of one: those of
 * --privileged, and root's over the host's network (ports below 1024). Docker has both with the host's user namespace
 * only. Another user than root has no such rights either way.
 */
Status mergeUserNamespace(const CreateRequest& request, bool rootless, Spec& spec) {
  if (rootless) return mergeRootless(request, spec);
  const bool asked = spec.userns == UserNamespace::automatic;
  if (asked && request.privileged) {
    return Error{"create", EINVAL, "privileged mode is incompatible with user namespaces",
                 "leave --userns auto or --privileged out", true};
  }
  spec.usernsRequired = asked;
  const bool hostly = request.privileged || (spec.network == Network::host && runsAsRoot(spec));
  if (!request.usernsGiven && !hostly) spec.userns = UserNamespace::automatic;
  return {};
}

void mergeBudget(const ImageInfo& image, Limits& limits) {
  if (!limits.memoryMax) limits.memoryMax = image.budgetMemory;
  if (!limits.cpuQuotaUs && image.budgetCpusMilli)
    limits.cpuQuotaUs = limits.cpuPeriodUs * *image.budgetCpusMilli / 1000;
  if (!limits.pidsMax && image.budgetPids) limits.pidsMax = static_cast<std::int64_t>(*image.budgetPids);
}

bool isMounted(const std::vector<Mount>& mounts, const std::string& target) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) { return mount.target == target; });
}

Status mergeMounts(const ImageConfig& image, const MergeContext& context, Spec& spec) {
  for (Mount& mount : spec.mounts) {
    if (mount.target.starts_with('/')) mount.target = cleanPath(mount.target);
  }
  for (const std::string& volume : image.volumes) {
    const std::string target = cleanPath(volume);
    if (!isMounted(spec.mounts, target)) spec.mounts.push_back({.kind = MountKind::volume, .target = target});
  }
  std::size_t fresh = 0;
  for (Mount& mount : spec.mounts) {
    if (mount.kind == MountKind::bind && (mount.source.empty() || mount.source[0] != '/')) {
      return Error{"create", EINVAL, "mount " + mount.target + ": \"" + mount.source + "\" is not an absolute path", "",
                   true};
    }
    if (mount.kind != MountKind::volume) continue;
    if (mount.volume.empty()) {
      if (fresh >= context.freshVolumes.size()) return Error{"create", EINVAL, "too few names for volumes"};
      mount.volume = context.freshVolumes[fresh++];
      mount.anonymous = true;
    }
    if (!isSandboxName(mount.volume)) {
      return Error{"create", EINVAL, "\"" + mount.volume + "\" is not a volume's name",
                   "use two or more of letters, digits, '_', '.' and '-'; a host path begins with '/'", true};
    }
    mount.source = context.root + "/volumes/" + mount.volume + "/_data";
  }
  return {};
}

Status mergeDefaults(const CreateRequest& request, const ImageConfig& image, const MergeContext& context, Spec& spec) {
  if (!request.workdirGiven && !image.workingDir.empty()) spec.cwd = image.workingDir;
  if (spec.cwd.empty() || spec.cwd[0] != '/') {
    return Error{"create", EINVAL,
                 "the working directory \"" + spec.cwd + "\" is invalid, it needs to be an absolute path", "", true};
  }
  if (!request.userGiven) spec.user = image.user;
  if (!request.stopSignalGiven && !image.stopSignal.empty()) {
    spec.stopSignal = parseSignal(image.stopSignal);
    if (spec.stopSignal == 0) {
      return Error{"create", EINVAL, "the image's stop signal \"" + image.stopSignal + "\" is unknown",
                   "give --stop-signal", true};
    }
  }
  if (!request.cgroupParentGiven && !context.cgroupParent.empty()) spec.cgroupParent = context.cgroupParent;
  if (!request.hostnameGiven) {
    spec.hostname = spec.network == Network::host ? context.hostHostname : context.id.substr(0, 12);
  }
  for (const auto& [key, value] : image.labels) spec.labels.emplace(key, value);  // the request's own stay
  return {};
}

Status check(const Spec& spec) {
  if (spec.autoRemove && spec.restart.when != RestartWhen::no) {
    return Error{"create", EINVAL, "--rm and --restart exclude each other", "leave one of them out", true};
  }
  if (spec.restart.maxRetries != 0 && spec.restart.when != RestartWhen::onFailure) {
    return Error{"create", EINVAL, "a number of retries is for the restart policy \"on-failure\" only", "", true};
  }
  return {};
}

}  // namespace

std::vector<std::string> mergeEnv(const std::vector<std::string>& base, const std::vector<std::string>& over) {
  std::vector<std::string> env = base;
  for (const std::string& entry : over) {
    const std::string_view key = keyOf(entry);
    const auto same = [key](const std::string& other) { return keyOf(other) == key; };
    const auto found = std::find_if(env.begin(), env.end(), same);
    if (entry.find('=') == std::string::npos) {
      std::erase_if(env, same);
    } else if (found == env.end()) {
      env.push_back(entry);
    } else {
      *found = entry;
    }
  }
  return env;
}

std::size_t countAnonymousVolumes(const CreateRequest& request, const ImageConfig& image) {
  std::size_t count = 0;
  for (const Mount& mount : request.spec.mounts) {
    if (mount.kind == MountKind::volume && mount.volume.empty()) count++;
  }
  return count + image.volumes.size();
}

Result<Spec> mergeImage(CreateRequest request, const ImageInfo& image, const MergeContext& context) {
  Spec spec = std::move(request.spec);
  spec.id = context.id;
  spec.created = context.created;
  spec.imageName = request.image;
  spec.imageDigest = image.digest;
  if (Status status = mergeArgs(request, image.config, spec); !status) return status.error();
  if (Status status = mergeDefaults(request, image.config, context, spec); !status) return status.error();
  mergeEnvironment(image.config, spec);
  if (Status status = mergeRights(request, spec); !status) return status.error();
  if (Status status = mergeUserNamespace(request, context.rootless, spec); !status) return status.error();
  mergeBudget(image, spec.limits);
  if (Status status = mergeMounts(image.config, context, spec); !status) return status.error();
  if (Status status = check(spec); !status) return status.error();
  return spec;
}

std::string goArchitecture(std::string_view machine) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"},        {"i386", "386"},
      {"armv7l", "arm"},   {"armv6l", "arm"},    {"ppc64le", "ppc64le"}, {"loongarch64", "loong64"}};
  for (const auto& [kernel, go] : kNames) {
    if (machine == kernel) return std::string(go);
  }
  return std::string(machine);
}

}  // namespace lightv
