#include "core/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "sys/fd.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** The kernel's landlock_ruleset_attr of ABI 6, which older headers have not; older kernels take its beginning. */
struct RulesetAttributes {
  std::uint64_t accessFs = 0;   // ABI 1
  std::uint64_t accessNet = 0;  // ABI 4
  std::uint64_t scoped = 0;     // ABI 6
};
constexpr std::uint64_t scopeAbstractSocket = 1U << 0;  // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
constexpr int abiOfRefer = 2, abiOfNet = 4, abiOfScope = 6;

std::size_t attributesSize(int abi) {
  if (abi >= abiOfScope) return sizeof(RulesetAttributes);
  return abi >= abiOfNet ? offsetof(RulesetAttributes, scoped) : offsetof(RulesetAttributes, accessNet);
}

/** Moving files between directories is refused by every ruleset that does not say otherwise: it is to be free. */
int allowMoves(int ruleset) {
  const Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return errno;
  const landlock_path_beneath_attr beneath{LANDLOCK_ACCESS_FS_REFER, root.get()};
  return sys::landlockAddRule(ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath) < 0 ? errno : 0;
}

}  // namespace

LandlockRules landlockRules(const Spec& spec, LandlockFor who) {
  LandlockRules rules;
  if (!spec.landlock) return rules;
  // A process outside can look into one inside, not the other way, nor one behind a wall of its own: what exec starts
  // is for looking in.
  if (who == LandlockFor::exec) return rules;
  rules.abstractSockets = spec.network == Network::host;
  const auto has = [&](const char* name) {
    return std::find(spec.capabilities.begin(), spec.capabilities.end(), name) != spec.capabilities.end();
  };
  // Who asked for a right to mount, or for a filter that lets a namespace of his own be made, is to have it.
  rules.tree = spec.seccomp && spec.seccompProfile.empty() && !has("SYS_ADMIN") && !has("MKNOD");
  return rules;
}

int landlockAbi() {
  return std::max(sys::landlockCreateRuleset(nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION), 0);
}

int restrictSelf(const LandlockRules& rules) {
  const int abi = rules.any() ? landlockAbi() : 0;
  RulesetAttributes attributes;
  // Any rule about files, this one too, takes every right to change mounts.
  const bool tree = rules.tree && abi >= abiOfRefer;
  if (tree) attributes.accessFs = LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_REFER;
  if (rules.abstractSockets && abi >= abiOfScope) attributes.scoped = scopeAbstractSocket;
  if (attributes.accessFs == 0 && attributes.scoped == 0) return 0;
  const Fd ruleset(sys::landlockCreateRuleset(&attributes, attributesSize(abi), 0));
  if (!ruleset) return errno;
  if (const int err = tree ? allowMoves(ruleset.get()) : 0; err != 0) return err;
  return sys::landlockRestrictSelf(ruleset.get()) < 0 ? errno : 0;
}

}  // namespace lightv
