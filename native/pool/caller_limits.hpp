// The resource limits of whoever calls, for a workload that is to have them as if it were his child.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <vector>

#include "core/park.hpp"

namespace lightv {

/** What of a caller's limits differs from those of this process, as they were when this was made. */
class CallerLimits {
 public:
  CallerLimits();
  [[nodiscard]] std::vector<ResourceLimit> of(pid_t caller) const;

 private:
  std::array<rlimit64, RLIM_NLIMITS> own_{};
};

/** Takes them for this process. */
void takeLimits(const std::vector<ResourceLimit>& limits);

}  // namespace lightv
