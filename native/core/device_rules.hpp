// Which devices a sandbox may use, as v1's devices controller wants it told, and as a BPF program for v2.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

struct DeviceRule {
  bool block = false;
  std::optional<std::uint32_t> major, minor;  // absent: any
  bool read = true, write = true, make = true;
};

/** Docker's list: any node may be made (by whom may make nodes at all), the standard ones and `allowed` (host paths)
 * may be used. */
std::vector<DeviceRule> deviceRules(const std::vector<std::string>& allowed);

/** "c 1:3 rwm" (Documentation/admin-guide/cgroup-v1/devices.rst). */
std::string toControlText(const DeviceRule& rule);

/** Allows what one of the rules allows whole, refuses the rest (bpf_cgroup_dev_ctx in include/uapi/linux/bpf.h). */
std::vector<bpf_insn> compileDeviceFilter(const std::vector<DeviceRule>& rules);

/** For all processes in a v2 cgroup. EPERM, EINVAL or ENOSYS: this kernel has no such programs, or we may not load
 * them. */
Status attachDeviceFilter(int cgroup, const std::vector<DeviceRule>& rules);

}  // namespace lightv
