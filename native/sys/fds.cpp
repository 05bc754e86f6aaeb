#include "sys/fds.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** The kernel's linux_dirent64 (getdents64(2)), up to its name. */
struct Entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  unsigned char type;
};
constexpr std::size_t kNameAt = offsetof(Entry, type) + 1;
/** As many as a kernel allows where nobody raised fs.nr_open. */
constexpr unsigned long kMostDescriptors = 1UL << 20;

/** Those that are open; a limit of half a million descriptors is usual, and as many calls take their time. */
bool closeListed(unsigned from, unsigned to) {
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  alignas(Entry) char buffer[4096];
  long got = 0;
  while ((got = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < got;) {
      Entry entry{};
      std::memcpy(&entry, buffer + at, kNameAt);
      const char* name = buffer + at + kNameAt;
      const auto fd = static_cast<unsigned>(std::strtoul(name, nullptr, 10));
      const bool isNumber = name[0] >= '0' && name[0] <= '9';
      if (isNumber && fd >= from && fd <= to && fd != static_cast<unsigned>(directory))
        (void)::close(static_cast<int>(fd));
      at += entry.length;
    }
  }
  (void)::close(directory);
  return got == 0;
}

}  // namespace

void closeSpan(unsigned from, unsigned to) {
  // Before 5.9 one by one.
  if (from > to || sys::closeRange(from, to, 0) == 0 || closeListed(from, to)) return;
  const auto limit = static_cast<unsigned long>(::sysconf(_SC_OPEN_MAX));  // -1: none
  const auto most = static_cast<unsigned>(std::min(limit, kMostDescriptors));
  for (unsigned fd = from; fd <= to && fd < most; fd++) (void)::close(static_cast<int>(fd));
}

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
