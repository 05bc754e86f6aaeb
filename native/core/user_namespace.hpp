// A sandbox's user namespace: its range of the host's ids, and what only its parent can do for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/process.hpp"
#include "core/report.hpp"
#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Ids of a sandbox with a user namespace of its own: 0 to 65,535 inside. */
inline constexpr std::uint32_t kIdRangeSize = 65536;

/** The operation of an error that says why there can't be a user namespace: a start without one may work. */
inline constexpr const char* kUserNamespaceOp = "user namespace";
[[nodiscard]] bool isAboutUserNamespace(const Error& error);
/** clone(2)'s errno: is it about CLONE_NEWUSER (user_namespaces(7)), not about a shortage of the moment? */
[[nodiscard]] bool refusesUserNamespace(int err);
/** What a child that set itself up in a user namespace failed at, as an error of kUserNamespaceOp if it is one. */
Error judgeInUserNamespace(const Error& error);
/** The same of an ordinary user's, who has no other way: with what it takes instead. */
Error judgeRootless(const Error& error);

/** ENOSYS where no mount's ids can be mapped (before 5.12): asked before anything is made. */
Status checkIdMapping();

/** What the kernel takes as a namespace's uid_map and gid_map. */
struct UserNamespaceMaps {
  std::string users, groups;
};
/** The ids 0 to 65,535 inside are those from `idBase` on. */
Result<UserNamespaceMaps> rangeMaps(std::uint32_t idBase);
/** Inside each id is what it is in this process's own user namespace. */
Result<UserNamespaceMaps> ownMaps();
/** Gives a process's new user namespace its ids, once and for all. */
Status writeIdMaps(pid_t pid, const UserNamespaceMaps& maps);

/**
 * Raises what takes rights in the first namespace: the hard resource limits of a process in such a namespace, which its
 * children inherit. What the kernel refuses the child warns of.
 */
void raiseLimits(pid_t pid, const Process& process);

/** Pipes become the workload's, so that it may reopen /dev/stdout: inside, nobody may change what has the host's ids.
 * A refusal only costs it that. */
void giveStreams(const Stdio& stdio, std::uint32_t idBase, uid_t uid);

/** The first id on the host of the user namespace that `pid` is in; 0 when it is the caller's own. */
Result<std::uint32_t> idBaseOf(pid_t pid);

}  // namespace lightv
