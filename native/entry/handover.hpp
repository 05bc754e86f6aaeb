// What the early entry leaves to the program that starts behind it: how far it has come with a prepared sandbox.
#pragma once

#include <cstddef>

namespace lightv::entry {

enum class Begun : int {
  nothing,  // as if it had never been
  sent,     // the request is out, and no word has come
  taken,    // the sandbox has taken it: from here on there is no other start
  started,  // its program runs
};

/** An id is 16 or 32 digits; a longer one is left to who reads JSON. */
inline constexpr std::size_t kMostIdBytes = 64;

struct Handover {
  Begun begun = Begun::nothing;
  int socket = -1;              // the connection, blocking; what has come and is not said here is still in it
  int pid = 0;                  // started: the workload's
  char id[kMostIdBytes + 1]{};  // from taken on
};

/** Written before main(), if at all. Hidden: its address must not stand in a table that is filled later. */
[[gnu::visibility("hidden")]] extern Handover handover;

}  // namespace lightv::entry
