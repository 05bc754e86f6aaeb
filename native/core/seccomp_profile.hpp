// A profile of the user's own for the system call filter: Docker's JSON format, and the OCI runtime specification's
// linux.seccomp, of which Docker's is a superset. docs/security.md has what is taken from each.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/capabilities.hpp"
#include "core/seccomp_table.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class SeccompCompare : std::uint8_t { notEqual, less, lessEqual, equal, greaterEqual, greater, maskedEqual };

struct SeccompCondition {
  unsigned argument = 0;  // 0 to 5
  SeccompCompare compare = SeccompCompare::equal;
  std::uint64_t value = 0, valueTwo = 0;  // maskedEqual: (argument & value) == valueTwo
};

struct KernelVersion {
  unsigned major = 0, minor = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): the check stumbles over the zero that a comparison is compared with
  auto operator<=>(const KernelVersion&) const = default;
};

/** For which sandboxes a rule is, or is not. */
struct SeccompCircumstances {
  std::vector<std::string> architectures;  // as Go names them: "amd64"
  CapabilitySet capabilities = 0;
  std::optional<KernelVersion> minKernel;
};

struct SeccompRule {
  std::vector<std::string> names;
  std::uint32_t action = 0;  // what the filter returns
  std::vector<SeccompCondition> conditions;
  SeccompCircumstances includes, excludes;
};

struct SeccompProfile {
  std::uint32_t defaultAction = 0;
  std::vector<SyscallArch> architectures;  // whose entries are open besides the machine's own
  std::vector<SeccompRule> rules;
  unsigned flags = 0;  // SECCOMP_FILTER_FLAG_*
};

/** What of the machine and the sandbox a profile depends on. */
struct ProfileFacts {
  SyscallArch arch = SyscallArch::x86_64;
  CapabilitySet capabilities = 0;
  KernelVersion kernel;
};

/** Of the running machine. */
ProfileFacts profileFacts(CapabilitySet capabilities);

/** The longest profile that is taken, in bytes: Docker's own has less than a sixth of it. */
inline constexpr std::size_t kMaxProfileBytes = 128U << 10;

/** EINVAL tells what is wrong and where: "syscalls[3].args[0].op: …". Pure but for `arch`, whose archMap entry counts.
 */
Result<SeccompProfile> parseSeccompProfile(std::string_view json, SyscallArch arch);

/** The program. E2BIG: more than the 4,096 instructions that the kernel takes. Pure. */
Result<std::vector<sock_filter>> compileProfile(const SeccompProfile& profile, const ProfileFacts& facts);

struct ProfileProgram {
  std::vector<sock_filter> code;
  unsigned flags = 0;
};
/** Both, for this machine. Never an empty program. */
Result<ProfileProgram> readSeccompProfile(std::string_view json, CapabilitySet capabilities);

}  // namespace lightv
