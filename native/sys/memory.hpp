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

/** The same, and what malloc() has free. */
void releaseMemory();

}  // namespace lightv
