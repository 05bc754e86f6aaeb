// Whether memory is short: what the kernel says about tasks that waited for it (Documentation/accounting/psi.rst).
#pragma once

#include <cstdint>
#include <string_view>

namespace lightv {

/** Hundredths of a percent of the last ten seconds in which some task waited; 0 when the text does not say. */
std::uint32_t parsePressure(std::string_view text);

/** What /proc/pressure/memory says; 0 where the kernel does not count it. */
std::uint32_t memoryPressure();

/** Bytes of memory that this machine has; 0 when /proc/meminfo does not say. */
std::uint64_t machineMemory();

}  // namespace lightv
