// Landlock (docs.kernel.org/userspace-api/landlock.html): a second wall behind capabilities and the system call filter,
// where the kernel has it. docs/security.md, "Landlock", has what it is for and what it is not for.
#pragma once

#include <cstdint>

#include "core/spec.hpp"

namespace lightv {

/** What a process gives up. The first wall must keep every program from it already: this one breaks nothing. */
struct LandlockRules {
  bool tree = false;             // changing mounts, and making block devices (ABI 2)
  bool abstractSockets = false;  // connecting to abstract sockets of processes without this wall (ABI 6)
  [[nodiscard]] bool any() const { return tree || abstractSockets; }
  bool operator==(const LandlockRules&) const = default;
};

enum class LandlockFor { workload, exec };

/** Pure. `privileged` exec and sandboxes have none. */
LandlockRules landlockRules(const Spec& spec, LandlockFor who);

/** This kernel's version of the interface; 0: none, or not switched on. */
int landlockAbi();

/**
 * Of `rules` what this kernel can. Needs no_new_privs or CAP_SYS_ADMIN, and "/" to be the sandbox's. errno on failure.
 * Allocates nothing.
 */
int restrictSelf(const LandlockRules& rules);

}  // namespace lightv
