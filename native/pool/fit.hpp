// Whether a prepared sandbox can be what a request wants. Pure.
#pragma once

#include "core/spec.hpp"

namespace lightv {

/**
 * Everything that is in place already must be as `wanted` has it; what is applied when the request comes (program,
 * environment, user, limits, host name, name, …) may be anything.
 */
bool fits(const Spec& wanted, const Spec& prepared);

}  // namespace lightv
