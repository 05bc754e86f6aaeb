// The user's mounts in a sandbox that stands already: everything else of a start from nothing is done, and no program
// has run in it yet.
#pragma once

#include <sys/types.h>

#include <vector>

#include "core/namespaces.hpp"
#include "core/operation.hpp"
#include "core/park.hpp"
#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Of a mount that can come last: it neither goes into the sandbox's own file systems nor in the place of its files. */
bool canMountLate(const Mount& mount);

class LateMounts {
 public:
  /**
   * Those of `spec`, opened on the host and with the ids of the sandbox. Nothing has happened when it fails; ENOTSUP:
   * only a start from nothing can do it here.
   */
  static Result<LateMounts> open(const Parked& parked, const Spec& spec);

  /** By a child in the sandbox, as PID 1 does it otherwise. After an error some of them may be there. */
  Status attach() const;

 private:
  Namespaces namespaces_;
  std::vector<Operation> operations_;
};

}  // namespace lightv
