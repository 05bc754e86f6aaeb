// Memory that a process which mostly waits can do without.
#pragma once

#include <cstddef>

namespace lightv {

/**
 * Unmaps the pages of program and libraries that were read or executed so far; gives their segments' size in bytes.
 * They stay in the page cache, where the kernel may take them for others, and come back with a minor fault when they
 * are used. Most of them served the start alone. Allocates nothing.
 */
std::size_t releaseProgram();

/** The same, what malloc() has free, and what deeper calls have left of the main thread's stack. */
void releaseMemory();

/**
 * For the main thread of a process that never returns from its caller, and allocates and frees nothing any more: gives
 * back the heap and the frames of the caller's callers. Whatever the caller uses must be its own, not a reference to
 * theirs. Command line and thread-local variables stay.
 */
void releaseCallers();

}  // namespace lightv
