// /proc/<pid>/net/dev (proc_net_dev(5)): bytes of all interfaces but the loopback.
#pragma once

#include <cstdint>
#include <string_view>

namespace lightv {

struct NetworkCounters {
  std::uint64_t rxBytes = 0, txBytes = 0;
};

/** Lines that are not "name: numbers" (the two of the heading) are skipped. */
NetworkCounters parseNetDev(std::string_view text);

}  // namespace lightv
