// What launch() and execInside() share around clone.
#pragma once

#include <sys/types.h>

#include <span>

#include "core/report.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** clone(2) as fork(2), with these flags; 0 in the child. */
pid_t cloneProcess(std::uint64_t flags);

/** Writes "0" to each: moves the calling process. Fails through `reporter`. Alloc-free. */
void joinCgroups(std::span<const Fd> procs, const Reporter& reporter);

/** Becomes root of the user namespace that this process is in: until then its ids have no name there. Alloc-free. */
void becomeNamespaceRoot(const Reporter& reporter);

/** Only raising is for everybody: a refusal is a warning. Alloc-free. */
void adjustOomScore(int adjustment, const Reporter& reporter);

/** SIGKILL and reap, for a child whose start failed. */
void discardChild(pid_t pid);

}  // namespace lightv
