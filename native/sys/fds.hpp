// What of a process's descriptors a fork of it keeps.
#pragma once

#include <initializer_list>

namespace lightv {

/** Closes the numbers from `from` to `to`. Alloc-free. */
void closeSpan(unsigned from, unsigned to);

/** Closes everything from 3 on but `kept`, which may come in any order. */
void closeAllBut(std::initializer_list<int> kept);

}  // namespace lightv
