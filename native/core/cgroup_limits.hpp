// Limits as the kernel's files want them. Pure: what to write where, decided without touching anything.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/spec.hpp"

namespace lightv {

/** One value for one file of one controller. */
struct CgroupSetting {
  std::string controller;
  std::string file;
  std::string value;
  bool optional = false;  // takes a limit back that may never have been there: a missing file is fine
};

/** "8:0" of a block device's path, absent when it is none. */
using DeviceNumbers = std::function<std::optional<std::string>(const std::string& path)>;

/** What to write for v1; with `reset` also the values that take absent limits back. */
std::vector<CgroupSetting> cgroupSettingsV1(const Limits& limits, bool reset, const DeviceNumbers& numbers);
/** The same for v2. */
std::vector<CgroupSetting> cgroupSettingsV2(const Limits& limits, bool reset, const DeviceNumbers& numbers);

/** cpu.shares 2..262144 as cpu.weight 1..10000, by the line that runc, crun and systemd use. */
std::uint64_t cpuWeightOf(std::uint64_t shares);
/** blkio.weight 10..1000 as io.weight 1..10000. */
std::uint64_t ioWeightOf(std::uint32_t weight);

}  // namespace lightv
