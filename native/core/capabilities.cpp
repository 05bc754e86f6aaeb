#include "core/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "sys/syscalls.hpp"
#include "sys/text.hpp"

namespace lightv {

const std::vector<std::string_view>& capabilityNames() {
  // By number, include/uapi/linux/capability.h of Linux 6.1; none was added since 5.9.
  static const std::vector<std::string_view> names{"CHOWN",
                                                   "DAC_OVERRIDE",
                                                   "DAC_READ_SEARCH",
                                                   "FOWNER",
                                                   "FSETID",
                                                   "KILL",
                                                   "SETGID",
                                                   "SETUID",
                                                   "SETPCAP",
                                                   "LINUX_IMMUTABLE",
                                                   "NET_BIND_SERVICE",
                                                   "NET_BROADCAST",
                                                   "NET_ADMIN",
                                                   "NET_RAW",
                                                   "IPC_LOCK",
                                                   "IPC_OWNER",
                                                   "SYS_MODULE",
                                                   "SYS_RAWIO",
                                                   "SYS_CHROOT",
                                                   "SYS_PTRACE",
                                                   "SYS_PACCT",
                                                   "SYS_ADMIN",
                                                   "SYS_BOOT",
                                                   "SYS_NICE",
                                                   "SYS_RESOURCE",
                                                   "SYS_TIME",
                                                   "SYS_TTY_CONFIG",
                                                   "MKNOD",
                                                   "LEASE",
                                                   "AUDIT_WRITE",
                                                   "AUDIT_CONTROL",
                                                   "SETFCAP",
                                                   "MAC_OVERRIDE",
                                                   "MAC_ADMIN",
                                                   "SYSLOG",
                                                   "WAKE_ALARM",
                                                   "BLOCK_SUSPEND",
                                                   "AUDIT_READ",
                                                   "PERFMON",
                                                   "BPF",
                                                   "CHECKPOINT_RESTORE"};
  return names;
}

std::optional<unsigned> capabilityNumber(std::string_view name) {
  std::string upper = toUpper(name);
  if (upper.compare(0, 4, "CAP_") == 0) upper.erase(0, 4);
  const std::vector<std::string_view>& names = capabilityNames();
  const auto found = std::find(names.begin(), names.end(), upper);
  if (found == names.end()) return std::nullopt;
  return static_cast<unsigned>(found - names.begin());
}

std::vector<std::string> defaultCapabilities() {
  return {"CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",      "NET_BIND_SERVICE",
          "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};
}

Result<std::vector<std::string>> resolveCapabilities(const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop) {
  const auto isAll = [](const std::string& name) { return toUpper(name) == "ALL"; };
  const bool addAll = std::any_of(add.begin(), add.end(), isAll);
  const bool dropAll = std::any_of(drop.begin(), drop.end(), isAll);
  std::set<std::string> result;
  if (addAll) {
    for (const std::string_view name : capabilityNames()) result.emplace(name);
  } else if (!dropAll) {
    for (std::string& name : defaultCapabilities()) result.insert(std::move(name));
  }
  const auto each = [](const std::vector<std::string>& names, auto&& change) -> Status {
    for (const std::string& name : names) {
      if (toUpper(name) == "ALL") continue;
      const std::optional<unsigned> number = capabilityNumber(name);
      if (!number) return Error{"capability", EINVAL, "\"" + name + "\"", "see capabilities(7) for the names"};
      change(std::string(capabilityNames()[*number]));
    }
    return {};
  };
  if (Status s = each(add, [&](std::string name) { result.insert(std::move(name)); }); !s) return s.error();
  if (Status s = each(drop, [&](const std::string& name) { result.erase(name); }); !s) return s.error();
  return std::vector<std::string>(result.begin(), result.end());
}

Result<CapabilitySet> capabilitySet(const std::vector<std::string>& names) {
  CapabilitySet set = 0;
  for (const std::string& name : names) {
    const std::optional<unsigned> number = capabilityNumber(name);
    if (!number) return Error{"capability", EINVAL, "\"" + name + "\"", "see capabilities(7) for the names"};
    set |= CapabilitySet{1} << *number;
  }
  return set;
}

int dropBoundingSet(CapabilitySet keep) {
  for (unsigned number = 0; number < 64; number++) {
    if (((keep >> number) & 1) != 0) continue;
    // EINVAL: past the last capability that this kernel has. What is gone already needs no CAP_SETPCAP to drop.
    const int held = ::prctl(PR_CAPBSET_READ, number);
    if (held < 0) return 0;
    if (held == 1 && ::prctl(PR_CAPBSET_DROP, number) < 0) return errno;
  }
  return 0;
}

int setCapabilities(CapabilitySet keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (sys::capGet(&header, data) < 0) return errno;
  const CapabilitySet permitted = data[0].permitted | (CapabilitySet{data[1].permitted} << 32);
  const CapabilitySet wanted = keep & permitted;
  for (unsigned half = 0; half < 2; half++) {
    const auto bits = static_cast<std::uint32_t>(wanted >> (32 * half));
    data[half] = __user_cap_data_struct{bits, bits, 0};
  }
  if (sys::capSet(&header, data) < 0) return errno;
  // EINVAL before Linux 4.3, which has no ambient set.
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return errno;
  return 0;
}

}  // namespace lightv
