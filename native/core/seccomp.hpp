// System call filtering: the allow-list (configs/sandbox/seccomp.json) compiled to a search tree of range comparisons.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "core/capabilities.hpp"

namespace lightv {

/** What a filter says about one system call. */
enum class SeccompAction : std::uint8_t {
  allow,
  refuse,     // EPERM: known and not for sandboxes
  unknown,    // ENOSYS: callers have a fallback
  cloneArgs,  // allowed without flags that make namespaces
  ioctlArgs,  // allowed but for TIOCSTI and TIOCLINUX (CVE-2017-5226)
  personalityArgs,
  socketArgs,  // allowed but for AF_VSOCK, which reaches the hypervisor past every network namespace
};

/** System calls [first, last] with one action. */
struct SeccompRange {
  std::uint32_t first = 0, last = 0;
  SeccompAction action = SeccompAction::refuse;
  bool operator==(const SeccompRange&) const = default;
};

/** The allow-list for a capability set: sorted, without gaps, from 0 to 2^32-1. */
std::vector<SeccompRange> seccompRanges(CapabilitySet capabilities);

/** The program for this machine's architecture. Another one's calls, and x32's, are refused. Pure. */
std::vector<sock_filter> compileSeccomp(const std::vector<SeccompRange>& ranges);

/** The program for a capability set, compiled once a process and set; lives as long as the process. Thread-safe. */
const std::vector<sock_filter>& seccompProgram(CapabilitySet capabilities);

}  // namespace lightv
