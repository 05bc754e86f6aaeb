// A sandbox's config.json, once the sandbox is there.
#pragma once

#include <functional>
#include <string>

#include "core/spec.hpp"
#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Reads one. ENOENT: there is none at `path`; EINVAL: it makes no sense. */
Result<Spec> readSpec(const std::string& path);

/**
 * Reads it, has it changed and replaces it, durably, while others who do the same wait. What `change` refuses leaves it
 * as it is. Keys of a newer version stay. ENOENT: there is no such sandbox.
 */
Status rewriteConfig(const SandboxFiles& files, const std::function<Status(Spec&)>& change);

}  // namespace lightv
