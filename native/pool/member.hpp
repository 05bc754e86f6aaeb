// One prepared sandbox: a process that the keeper forks, that makes the sandbox, waits for the one request that it will
// serve, and is that sandbox's monitor from then on.
#pragma once

#include <string>

#include "monitor/layout.hpp"
#include "pool/standing.hpp"
#include "sys/fd.hpp"

namespace lightv {

/** The name (comm) of a member that waits. */
inline constexpr const char* kIdleName = "lightv-prepared";

/** What a member tells its keeper, a byte each. Spoiled: a request could not be served, and is none of the image's
 * fault. */
inline constexpr char kMemberReady = 'R', kMemberTaken = 'T', kMemberSpoiled = 'S';

/**
 * The member's life, in a fork of the keeper that has nothing open but 0 to 2, `listener` and `keeper`. When the other
 * end of `keeper` closes an idle member takes everything back and ends. Returns the process's exit code.
 */
int memberMain(const Paths& paths, const PoolImage& image, const PoolPlace& place, Fd listener, Fd keeper);

}  // namespace lightv
