// The allow-list itself: which system calls a sandbox has, in groups, each with its reason.
#pragma once

#include <cstdint>
#include <vector>

#include "core/seccomp.hpp"

namespace lightv {

struct SeccompGroup {
  const char* reason;
  int capability;  // only when the sandbox has this one; -1: always
  std::vector<std::uint32_t> calls;
  SeccompAction action = SeccompAction::allow;
};

const std::vector<SeccompGroup>& seccompGroups();
/** The highest number that this table was written for; what comes after is "unknown". */
inline constexpr std::uint32_t seccompLastKnown = 462;  // mseal, Linux 6.10

}  // namespace lightv
