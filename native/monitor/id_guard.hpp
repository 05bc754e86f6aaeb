// Engines with roots of their own know nothing of each other's ranges of ids. Whoever runs a sandbox holds a lock on
// its ids that is the whole machine's, and the kernel drops it with the process, however that ends.
#pragma once

#include <cstdint>

#include "sys/fd.hpp"

namespace lightv {

/**
 * False when somebody runs a sandbox with one of the 65,536 ids from `base`. Else `guard` is what holds them; nothing
 * where this process may not write to /run, which is no engine's then.
 */
bool guardIds(std::uint32_t base, Fd& guard);

}  // namespace lightv
