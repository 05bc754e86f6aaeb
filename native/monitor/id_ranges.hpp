// Which sandbox has which range of the host's ids: ROOT/ids holds for each range that is taken a symbolic link, named
// by its first id, to the id of its sandbox. Making one is atomic and exclusive and takes no room for content, so
// starts at once never get the same, and neither a crash nor a full disk leaves half of one.
//
// Only whoever holds the directory's lock takes a link away. One that a power cut has undone is made again, or another
// is taken, when its sandbox starts: ids on disk are the sandbox's own, so any range will do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * Takes a range for the sandbox, one of `bases`: `wanted` if it is free or its own, else any. Its first id.
 * EUSERS: all are taken.
 */
Result<std::uint32_t> claimIds(const SandboxFiles& files, const std::vector<std::uint32_t>& bases,
                               std::uint32_t wanted);

/** Whether the range is the sandbox's by its link. */
bool ownsIds(const SandboxFiles& files, std::uint32_t base);

/** Gives it back, once nothing of the sandbox runs. 0, or a range that is another's: nothing happens. */
void releaseIds(const SandboxFiles& files, std::uint32_t base);

/**
 * Frees the ranges of sandboxes that are no more. Returns how many. `except`: the id of the caller's own sandbox; to
 * look at who holds its lock would give that lock up (F_SETLK in fcntl(2)).
 */
unsigned sweepIds(const Paths& paths, std::string_view except = "");

}  // namespace lightv
