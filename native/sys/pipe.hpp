// pipe(7) with ends that close themselves.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

struct Pipe {
  Fd read, write;
};

/** Both ends close on exec. The error says what it was `wantedFor`. */
inline Status openPipe(Pipe& made, const char* wantedFor) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{"pipe", errno, wantedFor};
  made.read.reset(ends[0]);
  made.write.reset(ends[1]);
  return {};
}

}  // namespace lightv
