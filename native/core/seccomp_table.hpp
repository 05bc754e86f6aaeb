// The allow-list and the numbers of system calls, which the build makes of configs/sandbox (native/seccomp.cmake).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/seccomp.hpp"

namespace lightv {

/** A system call that every sandbox has. */
struct SeccompEntry {
  std::uint32_t number = 0;
  SeccompAction action = SeccompAction::allow;
};

/** One that comes with a capability, over what the entry says. */
struct SeccompGrant {
  std::uint32_t number = 0;
  unsigned capability = 0;
  SeccompAction action = SeccompAction::allow;
};

struct SeccompTable {
  std::span<const SeccompEntry> entries;  // by number
  std::span<const SeccompGrant> grants;
  std::uint32_t lastKnown = 0;  // the highest number that the list was written for; what comes after is "unknown"
  std::uint32_t foreign = 0;    // what the filter returns to calls through another architecture's entry
  SeccompAction x32 = SeccompAction::unknown;
};

/** This architecture's. */
const SeccompTable& seccompTable();

/** Architectures whose entries a kernel of ours may have. */
enum class SyscallArch : std::uint8_t { x86_64, i386, arm64, arm };

struct SyscallName {
  char name[32];
  std::int32_t numbers[4];  // by SyscallArch; -1: none
};

/** All names, sorted. */
std::span<const SyscallName> syscallNames();

/** Absent: not known, or not on this architecture. */
std::optional<std::uint32_t> syscallNumber(SyscallArch arch, std::string_view name);

}  // namespace lightv
