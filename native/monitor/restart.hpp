// Whether and when a sandbox that has ended is started again. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "core/spec.hpp"

namespace lightv {

/** The delay before the next start: 100 ms, doubled with each run that did not last, at most a minute (as Docker). */
class RestartBackoff {
 public:
  /** A run that lasted so long begins anew with the shortest delay. */
  static constexpr std::uint64_t kHealthyUs = 10'000'000;
  static constexpr std::uint32_t kFirstMs = 100, kLongestMs = 60'000;

  /** Milliseconds to wait after a run of `ranUs`. */
  std::uint32_t next(std::uint64_t ranUs);

 private:
  std::uint32_t delayMs_ = 0;
};

/** `restarts` counts those since the user's start. A sandbox that the user stopped is never started again by itself. */
bool shallRestart(const RestartPolicy& policy, int exitCode, std::uint32_t restarts, bool userStopped);

}  // namespace lightv
