#include "sys/listen_fds.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

long numberIn(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : parseInteger<long>(text).value_or(0);
}

}  // namespace

Fd passedListener() {
  // The variables may have been inherited from somebody whom they were for.
  if (numberIn("LISTEN_PID") != ::getpid() || numberIn("LISTEN_FDS") < 1) return {};
  if (::fcntl(kFirst, F_SETFD, FD_CLOEXEC) < 0) return {};
  return Fd(kFirst);
}

}  // namespace lightv
