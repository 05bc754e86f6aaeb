#include "sys/fds.hpp"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "sys/syscalls.hpp"

namespace lightv {
namespace {

void closeSpan(unsigned from, unsigned to) {
  if (from > to || sys::closeRange(from, to, 0) == 0) return;
  const long most = ::sysconf(_SC_OPEN_MAX);  // before 5.9
  for (unsigned fd = from; fd <= to && fd < static_cast<unsigned>(most); fd++) (void)::close(static_cast<int>(fd));
}

}  // namespace

void closeAllBut(std::initializer_list<int> kept) {
  std::vector<int> sorted(kept);
  std::sort(sorted.begin(), sorted.end());
  unsigned from = 3;
  for (const int fd : sorted) {
    if (fd < static_cast<int>(from)) continue;
    if (fd > static_cast<int>(from)) closeSpan(from, static_cast<unsigned>(fd) - 1);
    from = static_cast<unsigned>(fd) + 1;
  }
  closeSpan(from, UINT_MAX);
}

}  // namespace lightv
