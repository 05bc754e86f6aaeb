#include <sys/mount.h>

#include <algorithm>
#include <array>

#include "core/apparmor.hpp"
#include "core/landlock.hpp"
#include "core/operation.hpp"
#include "core/sysctl.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t noSuidDevExec = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

using Plan = std::vector<Operation>;

Operation make(Step step, std::string target, std::string source = {}) {
  Operation operation;
  operation.step = step;
  operation.target = std::move(target);
  operation.source = std::move(source);
  return operation;
}

Operation makeFileSystem(std::string target, std::string type, std::uint64_t attributes,
                         std::vector<std::pair<std::string, std::string>> options = {}) {
  Operation operation = make(Step::fileSystem, std::move(target), std::move(type));
  operation.attributes = attributes;
  operation.options = std::move(options);
  return operation;
}

/** In a file system that the plan has just made, under a name that nobody else uses there. */
Operation fresh(Operation operation) {
  operation.fresh = true;
  return operation;
}

void addRoot(Plan& plan, const Spec& spec, const PlanFacts& facts) {
  plan.push_back(make(Step::privateTree, "/"));
  // Below all that becomes the sandbox's: it goes with the host's tree.
  if (spec.userns == UserNamespace::automatic) plan.push_back(make(Step::nodes, "/dev"));
  Operation root = make(Step::root, "/", spec.imagePath);
  root.attributes = MOUNT_ATTR_NODEV | (spec.readOnlyRoot || facts.overlay ? MOUNT_ATTR_RDONLY : 0U);
  root.mapIds = true;
  plan.push_back(std::move(root));
  if (!facts.overlay) return;
  Operation overlay = make(Step::overlay, "/", facts.upper);
  if (!facts.upper.empty()) {
    overlay.options = {{"work", facts.work}};
  } else if (spec.storageSizeBytes != 0) {
    overlay.options = {{"size", std::to_string(spec.storageSizeBytes)}};
  }
  overlay.attributes = MOUNT_ATTR_NODEV;
  overlay.mapIds = true;
  plan.push_back(std::move(overlay));
}

void addDev(Plan& plan, const Spec& spec) {
  plan.push_back(makeFileSystem("/dev", "tmpfs", MOUNT_ATTR_NOSUID, {{"mode", "755"}, {"size", "65536k"}}));
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}) {
    plan.push_back(fresh(make(Step::device, path, path)));
  }
  for (const std::string& path : spec.devices) plan.push_back(make(Step::device, path, path));
  // Group 5 is "tty" in every distribution.
  plan.push_back(fresh(makeFileSystem("/dev/pts", "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                                      {{"mode", "620"}, {"ptmxmode", "666"}, {"gid", "5"}})));
  plan.push_back(fresh(makeFileSystem("/dev/shm", "tmpfs", noSuidDevExec,
                                      {{"mode", "1777"}, {"size", std::to_string(spec.shmSizeBytes)}})));
  Operation queues = fresh(makeFileSystem("/dev/mqueue", "mqueue", noSuidDevExec));
  queues.optional = true;
  plan.push_back(std::move(queues));
  static constexpr std::array<std::pair<const char*, const char*>, 5> links{{{"/dev/ptmx", "pts/ptmx"},
                                                                             {"/dev/fd", "/proc/self/fd"},
                                                                             {"/dev/stdin", "/proc/self/fd/0"},
                                                                             {"/dev/stdout", "/proc/self/fd/1"},
                                                                             {"/dev/stderr", "/proc/self/fd/2"}}};
  for (const auto& [target, source] : links) plan.push_back(make(Step::link, target, source));
}

void addSys(Plan& plan, const Spec& spec, const PlanFacts& facts) {
  if (spec.network == Network::host && spec.userns != UserNamespace::host) {
    // Only the owner of the network namespace may mount a sysfs of it.
    Operation bind = make(Step::bind, "/sys", "/sys");
    bind.attributes = noSuidDevExec | MOUNT_ATTR_RDONLY;
    // Nobody may see in a user namespace what was hidden by a mount outside of it: no copy without those below.
    bind.recursive = spec.userns == UserNamespace::rootless;
    plan.push_back(std::move(bind));
  } else {
    plan.push_back(makeFileSystem("/sys", "sysfs", noSuidDevExec | MOUNT_ATTR_RDONLY));
  }
  // The sandbox's own groups, bound from the host's tree: a tenth of the price of mounting each hierarchy anew, and
  // inside the cgroup namespace nobody can tell.
  const bool unified = facts.unified;
  if (!unified) {
    plan.push_back(makeFileSystem("/sys/fs/cgroup", "tmpfs", noSuidDevExec, {{"mode", "755"}, {"size", "64k"}}));
  }
  for (const std::string& directory : facts.cgroups) {
    const std::vector<std::string> parts = split(directory, '/');
    const std::string name = parts.size() > 4 ? parts[4] : "";  // /sys/fs/cgroup/<hierarchy>/…
    if (!unified && name == "systemd") continue;
    Operation bind = make(Step::bind, unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + name, directory);
    bind.attributes = noSuidDevExec | MOUNT_ATTR_RDONLY;
    bind.fresh = !unified;
    plan.push_back(std::move(bind));
  }
  if (!unified) plan.push_back(make(Step::seal, "/sys/fs/cgroup"));
}

/** The user's own file in one of these places goes instead: nothing can be mounted over ours, which has no name. */
void addFile(Plan& plan, const Spec& spec, const char* target, const std::string& content) {
  const bool given = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                 [target](const Mount& mount) { return mount.target == target; });
  if (!given && !content.empty()) plan.push_back(make(Step::file, target, content));
}

void addEtc(Plan& plan, const Spec& spec, const PlanFacts& facts) {
  addFile(plan, spec, "/etc/hostname", spec.hostname + "\n");
  addFile(plan, spec, "/etc/hosts", facts.hosts);
  addFile(plan, spec, "/etc/resolv.conf", facts.resolv);
}

/** Without a size half of the memory budget, as the kernel takes half of the machine's: what fills it gets ENOSPC, not
 * an out-of-memory kill that frees nothing. 0: the kernel's. */
std::uint64_t tmpfsSize(const Mount& mount, const Limits& limits) {
  return mount.sizeBytes != 0 ? mount.sizeBytes : limits.memoryMax.value_or(0) / 2;
}

void addMounts(Plan& plan, const Spec& spec) {
  std::vector<const Mount*> mounts;
  for (const Mount& mount : spec.mounts) mounts.push_back(&mount);
  // Outer ones first, so that none covers another.
  const auto depth = [](const Mount* mount) { return std::count(mount->target.begin(), mount->target.end(), '/'); };
  std::stable_sort(mounts.begin(), mounts.end(), [&](const Mount* a, const Mount* b) { return depth(a) < depth(b); });
  for (const Mount* mount : mounts) {
    const std::uint64_t readOnly = mount->readOnly ? MOUNT_ATTR_RDONLY : 0;
    if (mount->kind == MountKind::tmpfs) {
      char mode[16];
      (void)std::snprintf(mode, sizeof mode, "%o", mount->mode);
      Operation tmpfs = makeFileSystem(mount->target, "tmpfs", noSuidDevExec | readOnly, {{"mode", mode}});
      if (const std::uint64_t size = tmpfsSize(*mount, spec.limits); size != 0)
        tmpfs.options.emplace_back("size", std::to_string(size));
      plan.push_back(std::move(tmpfs));
      continue;
    }
    Operation bind = make(Step::bind, mount->target, mount->source);
    bind.attributes = readOnly | (mount->kind == MountKind::volume ? MOUNT_ATTR_NODEV : 0U);
    bind.recursive = true;
    bind.mapIds = true;
    plan.push_back(std::move(bind));
  }
}

/** checkSysctls() has let them pass. The mounts behind this make /proc/sys read-only; none of a user's is there yet. */
void addSysctls(Plan& plan, const Spec& spec) {
  for (const auto& [key, value] : spec.sysctls) {
    Result<std::string> path = sysctlPath(key);
    if (path) plan.push_back(make(Step::sysctl, std::move(*path), value));
  }
}

/** containerd's pkg/oci/spec.go, what of it is there; missing ones are left out. */
void addMasks(Plan& plan) {
  for (const char* path : {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                           "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                           "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"}) {
    plan.push_back(make(Step::hide, path));
  }
  for (const char* path :
       {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/pressure", "/proc/sys", "/proc/sysrq-trigger"}) {
    plan.push_back(make(Step::protect, path));
  }
}

void addNetwork(Plan& plan, const Spec& spec) {
  if (spec.network == Network::host) return;
  plan.push_back(make(Step::loopback, "lo"));
  // As Docker: low ports and ping need no capability in a network that is the sandbox's own. Docker's range ends at
  // 2^31-1, but the kernel takes only groups that a user namespace maps, and ours has 65,536.
  for (const auto& [key, value] :
       {std::pair("net/ipv4/ip_unprivileged_port_start", "0"), std::pair("net/ipv4/ping_group_range", "0 65535")}) {
    Operation sysctl = make(Step::sysctl, key, value);
    sysctl.optional = true;
    plan.push_back(std::move(sysctl));
  }
}

std::string stepName(Step step) {
  static constexpr std::array<const char*, 18> names{
      "private-tree", "root",   "overlay", "mount",   "bind", "mkdir",   "nodes",    "device",   "link",
      "file",         "sysctl", "mask",    "protect", "seal", "workdir", "hostname", "loopback", "pivot"};
  return names[static_cast<std::size_t>(step)];
}

void describeProcess(std::vector<PlanLine>& lines, const Spec& spec) {
  if (spec.terminal) lines.push_back({"terminal", "/dev/console"});
  if (spec.init) lines.push_back({"init", "reap, forward signals, report"});
  lines.push_back({"chdir", spec.cwd});
  for (const Rlimit& limit : spec.rlimits) {
    lines.push_back({"ulimit", limit.name + "=" + std::to_string(limit.soft) + ":" + std::to_string(limit.hard)});
  }
  if (spec.appArmor.empty()) {
    lines.push_back({"apparmor", std::string(kDefaultAppArmorProfile) + ", where the kernel has it"});
  } else if (spec.appArmor != kAppArmorUnconfined) {
    lines.push_back({"apparmor", spec.appArmor});
  }
  lines.push_back({"user", spec.user.empty() ? "0" : spec.user});
  lines.push_back({"capabilities", spec.capabilities.empty() ? "none" : join(spec.capabilities, ",")});
  if (spec.noNewPrivileges) lines.push_back({"no_new_privs", ""});
  const LandlockRules wall = landlockRules(spec, LandlockFor::workload);
  if (wall.tree) lines.push_back({"landlock", "no changes of mounts, no block devices"});
  if (wall.abstractSockets) lines.push_back({"landlock", "no abstract sockets of others"});
  if (spec.seccomp) lines.push_back({"seccomp", spec.seccompProfile.empty() ? "default" : "own profile"});
  lines.push_back({"exec", join(spec.args, " ")});
}

}  // namespace

std::vector<Operation> buildPlan(const Spec& spec, const PlanFacts& facts) {
  Plan plan;
  addRoot(plan, spec, facts);
  plan.push_back(make(Step::hostname, spec.hostname.empty() ? spec.id.substr(0, 12) : spec.hostname));
  plan.push_back(makeFileSystem("/proc", "proc", noSuidDevExec));
  addNetwork(plan, spec);
  addSysctls(plan, spec);
  addDev(plan, spec);
  addSys(plan, spec, facts);
  addEtc(plan, spec, facts);
  addMounts(plan, spec);
  plan.push_back(make(Step::workDirectory, spec.cwd));
  if (spec.maskPaths) addMasks(plan);
  if (spec.readOnlyRoot && facts.overlay) plan.push_back(make(Step::seal, "/"));
  plan.push_back(make(Step::pivot, "/"));
  return plan;
}

std::vector<Operation> planMounts(const Spec& spec) {
  Plan plan;
  addMounts(plan, spec);
  return plan;
}

PlanLine describe(const Operation& operation) {
  std::string text = operation.target;
  const bool quiet = operation.step == Step::file || operation.step == Step::sysctl || operation.step == Step::root;
  if (!operation.source.empty() && !quiet) text += " from " + operation.source;
  if (operation.step == Step::sysctl) text += " = " + operation.source;
  if (operation.step == Step::root) text = operation.source;
  for (const auto& [key, value] : operation.options) {
    if (!value.empty()) text.append(" ").append(key).append("=").append(value);
  }
  if ((operation.attributes & MOUNT_ATTR_RDONLY) != 0) text += " ro";
  if ((operation.attributes & MOUNT_ATTR_NOSUID) != 0) text += " nosuid";
  if ((operation.attributes & MOUNT_ATTR_NODEV) != 0) text += " nodev";
  if ((operation.attributes & MOUNT_ATTR_NOEXEC) != 0) text += " noexec";
  return {stepName(operation.step), text};
}

std::vector<PlanLine> plan(const Spec& spec) {
  std::string namespaces = "pid mount uts ipc cgroup";
  if (spec.network == Network::none) namespaces += " network";
  if (spec.userns != UserNamespace::host) namespaces += " user";
  std::vector<PlanLine> lines{{"namespaces", namespaces}, {"cgroup", spec.cgroupParent + "/" + spec.id}};
  PlanFacts facts;
  facts.overlay = !spec.readOnlyRoot;
  facts.hosts = "localhost";
  for (const Operation& operation : buildPlan(spec, facts)) lines.push_back(describe(operation));
  describeProcess(lines, spec);
  return lines;
}

}  // namespace lightv
