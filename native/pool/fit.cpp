#include "pool/fit.hpp"

#include <algorithm>

#include "core/late_mounts.hpp"

namespace lightv {

bool fits(const Spec& wanted, const Spec& prepared) {
  Spec same = prepared;
  same.name = wanted.name;
  same.imageName = wanted.imageName;
  same.created = wanted.created;
  same.usernsRequired = wanted.usernsRequired;
  same.args = wanted.args;
  same.env = wanted.env;
  same.cwd = wanted.cwd;
  same.user = wanted.user;
  same.groupAdd = wanted.groupAdd;
  same.hostname = wanted.hostname;
  same.openStdin = wanted.openStdin;
  same.limits = wanted.limits;
  same.rlimits = wanted.rlimits;
  same.oomScoreAdj = wanted.oomScoreAdj;
  same.stopSignal = wanted.stopSignal;
  same.stopTimeoutMs = wanted.stopTimeoutMs;
  same.restart = wanted.restart;
  same.autoRemove = wanted.autoRemove;
  same.labels = wanted.labels;
  same.annotations = wanted.annotations;
  same.mounts = wanted.mounts;
  return same == wanted && std::all_of(wanted.mounts.begin(), wanted.mounts.end(), canMountLate);
}

}  // namespace lightv
