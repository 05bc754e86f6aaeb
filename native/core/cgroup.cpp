#include "core/cgroup.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "core/cgroup_limits.hpp"
#include "core/device_rules.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

void sleepMs(int milliseconds) {
  (void)::poll(nullptr, 0, milliseconds);
}

std::optional<std::string> blockDeviceNumbers(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) < 0 || !S_ISBLK(info.st_mode)) return std::nullopt;
  return std::to_string(major(info.st_rdev)) + ":" + std::to_string(minor(info.st_rdev));
}

/** Waits for the kernel: "frozen 1" (v2) and "FROZEN" (v1) come when the last thread has stopped. */
Status awaitState(const std::string& file, const std::string& wanted) {
  for (int round = 0; round < 500; round++) {
    const Result<std::string> state = readFile(file);
    if (!state) return state.error();
    if (state->find(wanted) != std::string::npos) return {};
    sleepMs(round < 20 ? 1 : 10);
  }
  return Error{"freeze", ETIMEDOUT, file};
}

/** v1 takes one rule a write. */
Status allowDevices(const std::string& path, const std::vector<DeviceRule>& rules) {
  const Result<Fd> file = openFile(path, O_WRONLY);
  if (!file) return file.error();
  for (const DeviceRule& rule : rules) {
    const std::string text = toControlText(rule);
    if (::write(file->get(), text.data(), text.size()) < 0)
      return Error{"write", errno, std::string(path).append(" = ").append(text)};
  }
  return {};
}

}  // namespace

Cgroup Cgroup::open(const CgroupPlace& place, const std::string& id, const std::string& mountPoint) {
  Cgroup group;
  group.delegated_ = place.delegated;
  group.hierarchies_ = hierarchiesAt(place, mountPoint);
  const std::string& parent = place.parent;
  for (const CgroupHierarchy& hierarchy : group.hierarchies_) {
    group.directories_.push_back(hierarchy.mount + (parent == "/" ? "" : parent) + "/" + id);
  }
  return group;
}

Result<Cgroup> Cgroup::create(const CgroupPlace& place, const std::string& id, const Limits& limits,
                              std::vector<std::string>& warnings, const std::string& mountPoint) {
  if (id.empty() || id.find('/') != std::string::npos) return Error{"make cgroup", EINVAL, "id \"" + id + "\""};
  Cgroup group = open(place, id, mountPoint);
  // To an ordinary user each limit that is not enforced is told below.
  if (group.hierarchies_.empty() && !place.delegated)
    warnings.push_back("no cgroups at " + mountPoint + ": no limit is enforced");
  const std::string path = std::string(place.parent).append("/").append(id);
  for (const CgroupHierarchy& hierarchy : group.hierarchies_) {
    if (Status made = makeCgroup(hierarchy, path, warnings); !made) {
      (void)group.remove(0);
      return made.error();
    }
  }
  (void)group.apply(limits, false, &warnings);
  return group;
}

std::string Cgroup::directoryOf(const std::string& controller, bool v2) const {
  for (std::size_t i = 0; i < hierarchies_.size(); i++) {
    if (hierarchies_[i].v2 == v2 && hierarchies_[i].has(controller)) return directories_[i];
  }
  return {};
}

std::string Cgroup::v2Path() const {
  for (std::size_t i = 0; i < hierarchies_.size(); i++) {
    if (hierarchies_[i].v2) return directories_[i];
  }
  return {};
}

// With `warnings` every refusal is one; without, the first is the error. What was refused is tried once more at the
// end: v1 keeps memory <= memory+swap at every moment, so the right order depends on the values that were there.
Status Cgroup::apply(const Limits& limits, bool reset, std::vector<std::string>* warnings) const {
  using Setting = std::pair<CgroupSetting, bool>;
  std::vector<Setting> settings;
  for (CgroupSetting& setting : cgroupSettingsV2(limits, reset, blockDeviceNumbers)) {
    if (!directoryOf(setting.controller, true).empty()) settings.emplace_back(std::move(setting), true);
  }
  for (CgroupSetting& setting : cgroupSettingsV1(limits, reset, blockDeviceNumbers)) {
    // v2 knows "io" by that name, v1 by "blkio".
    const std::string twin = setting.controller == "blkio" ? "io" : setting.controller;
    if (directoryOf(twin, true).empty()) settings.emplace_back(std::move(setting), false);
  }
  const auto write = [&](const Setting& entry) -> Status {
    const auto& [setting, v2] = entry;
    const std::string directory = directoryOf(setting.controller, v2);
    if (directory.empty()) {
      if (setting.optional) return {};
      return Error{
          "cgroup limit", ENOENT, setting.file + " = " + setting.value,
          (delegated_ ? "you have no cgroup with the controller \"" : "this machine has no cgroup controller \"") +
              setting.controller + "\""};
    }
    Status written = writeControlFile(directory + "/" + setting.file, setting.value);
    return setting.optional && !written && written.error().err == ENOENT ? Status() : written;
  };
  Status first;
  std::vector<Setting> refused;
  for (const Setting& setting : settings) {
    if (!write(setting).ok()) refused.push_back(setting);
  }
  for (const Setting& setting : refused) {
    const Status written = write(setting);
    if (written.ok()) continue;
    if (warnings != nullptr) warnings->push_back(written.error().message());
    if (first.ok()) first = written;
  }
  return first;
}

void Cgroup::limit(const Limits& limits, std::vector<std::string>& warnings) const {
  (void)apply(limits, false, &warnings);
}

Status Cgroup::update(const Limits& limits) const {
  return apply(limits, true, nullptr);
}

Result<std::vector<Fd>> Cgroup::openProcs() const {
  std::vector<Fd> files;
  for (std::size_t i = 0; i < directories_.size(); i++) {
    Result<Fd> file = openFile(directories_[i] + "/" + selfJoinFile(hierarchies_[i]), O_WRONLY);
    if (!file) return file.error();
    files.push_back(std::move(*file));
  }
  return files;
}

Fd Cgroup::v2Directory() const {
  const std::string path = v2Path();
  return path.empty() ? Fd() : Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Status Cgroup::attach(pid_t pid) const {
  for (const std::string& directory : directories_) {
    if (Status moved = writeControlFile(directory + "/cgroup.procs", std::to_string(pid)); !moved) return moved;
  }
  return {};
}

Result<std::vector<pid_t>> Cgroup::processes() const {
  std::vector<pid_t> pids;
  const std::string directory = !v2Path().empty() ? v2Path() : directories_.empty() ? "" : directories_.front();
  if (directory.empty()) return pids;
  const Result<std::string> text = readFile(directory + "/cgroup.procs", 16U << 20);
  if (!text) return text.error().err == ENOENT ? Result<std::vector<pid_t>>(pids) : text.error();
  for (const std::string& line : split(*text, '\n')) {
    if (const std::optional<pid_t> pid = parseInteger<pid_t>(line); pid && *pid > 0) pids.push_back(*pid);
  }
  return pids;
}

// v2 first: what it has frozen still dies of SIGKILL.
Status Cgroup::freeze(bool frozen) const {
  const std::string unified = v2Path();
  if (!unified.empty() && exists(unified + "/cgroup.freeze")) {
    if (Status written = writeControlFile(unified + "/cgroup.freeze", frozen ? "1" : "0"); !written) return written;
    return awaitState(unified + "/cgroup.events", frozen ? "frozen 1" : "frozen 0");
  }
  const std::string directory = directoryOf("freezer", false);
  if (directory.empty()) {
    return Error{"freeze", EOPNOTSUPP, "",
                 delegated_ ? "no cgroup that freezes is delegated to you"
                            : "this kernel has neither cgroup v2 (5.2) nor the v1 freezer"};
  }
  const std::string file = directory + "/freezer.state";
  if (Status written = writeControlFile(file, frozen ? "FROZEN" : "THAWED"); !written) return written;
  return awaitState(file, frozen ? "FROZEN" : "THAWED");
}

Status Cgroup::kill() const {
  const std::string unified = v2Path();
  if (!unified.empty() && writeControlFile(unified + "/cgroup.kill", "1").ok()) return freeze(false);
  // Frozen, nothing can fork away from the list that is being read.
  for (int round = 0; round < 100; round++) {
    const bool frozen = freeze(true).ok();
    Result<std::vector<pid_t>> pids = processes();
    for (const pid_t pid : pids ? *pids : std::vector<pid_t>()) (void)::kill(pid, SIGKILL);
    if (frozen) (void)freeze(false);
    if (!pids) return pids.error();
    if (pids->empty()) return {};
    sleepMs(2);
  }
  return Error{"kill", ETIMEDOUT, directories_.empty() ? "" : directories_.front()};
}

Status Cgroup::remove(unsigned timeoutMs) const {
  Status status;
  for (const std::string& directory : directories_) {
    unsigned waited = 0;
    int pause = 1;
    for (;;) {
      Status removed = removeCgroup(directory);
      if (removed.ok()) break;
      if (removed.error().err != EBUSY || waited >= timeoutMs) {
        if (status.ok()) status = removed;
        break;
      }
      sleepMs(pause);
      waited += static_cast<unsigned>(pause);
      pause = std::min(pause * 2, 50);
    }
  }
  return status;
}

void Cgroup::restrictDevices(const std::vector<std::string>& allowed, std::vector<std::string>& warnings) const {
  const std::vector<DeviceRule> rules = deviceRules(allowed);
  const std::string directory = directoryOf("devices", false);
  Status status;
  if (!directory.empty()) {
    status = writeControlFile(directory + "/devices.deny", "a");
    if (status.ok()) status = allowDevices(directory + "/devices.allow", rules);
  } else if (const Fd v2 = v2Directory(); v2) {
    status = attachDeviceFilter(v2.get(), rules);
  }
  if (!status) warnings.push_back("device access is not filtered: " + status.error().message());
}

}  // namespace lightv
