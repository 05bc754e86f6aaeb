#include "pool/caller_limits.hpp"

namespace lightv {

CallerLimits::CallerLimits() {
  for (std::size_t i = 0; i < own_.size(); i++) {
    (void)::getrlimit64(static_cast<__rlimit_resource>(i), &own_[i]);
  }
}

std::vector<ResourceLimit> CallerLimits::of(pid_t caller) const {
  std::vector<ResourceLimit> limits;
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); resource++) {
    rlimit64 his{};
    const rlimit64& ours = own_[static_cast<std::size_t>(resource)];
    if (::prlimit64(caller, static_cast<__rlimit_resource>(resource), nullptr, &his) != 0) continue;
    if (his.rlim_cur != ours.rlim_cur || his.rlim_max != ours.rlim_max) {
      limits.push_back({resource, his.rlim_cur, his.rlim_max});
    }
  }
  return limits;
}

void takeLimits(const std::vector<ResourceLimit>& limits) {
  for (const ResourceLimit& limit : limits) {
    const rlimit64 value{limit.soft, limit.hard};
    (void)::setrlimit64(static_cast<__rlimit_resource>(limit.resource), &value);
  }
}

}  // namespace lightv
