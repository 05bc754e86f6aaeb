// A clock that was lost with the power shows 1970, and then no certificate is valid yet. It is set forward to a time
// that is surely past: the build's, or what the controller said last.
#pragma once

#include <cstdint>
#include <optional>

namespace lightv {

/** Seconds since 1970 when this binary was configured to be built; a package's SOURCE_DATE_EPOCH. */
std::int64_t buildTimeSeconds();

/**
 * What the clock shall be set to, if to anything: `now` is before the latest floor. Never backwards. A stored floor
 * more than 30 years after the build is not believed: no later boot could take a wrong one back. Seconds since 1970.
 */
std::optional<std::int64_t> clockStep(std::int64_t now, std::int64_t built, std::optional<std::int64_t> stored);

}  // namespace lightv
