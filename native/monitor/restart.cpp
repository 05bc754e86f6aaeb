#include "monitor/restart.hpp"

#include <algorithm>

namespace lightv {

std::uint32_t RestartBackoff::next(std::uint64_t ranUs) {
  delayMs_ = delayMs_ == 0 || ranUs >= kHealthyUs ? kFirstMs : std::min(delayMs_ * 2, kLongestMs);
  return delayMs_;
}

bool shallRestart(const RestartPolicy& policy, int exitCode, std::uint32_t restarts, bool userStopped) {
  if (userStopped) return false;
  switch (policy.when) {
    case RestartWhen::no:
      return false;
    case RestartWhen::onFailure:
      return exitCode != 0 && (policy.maxRetries == 0 || restarts < policy.maxRetries);
    case RestartWhen::always:
    case RestartWhen::unlessStopped:
      return true;
  }
  return false;
}

}  // namespace lightv
