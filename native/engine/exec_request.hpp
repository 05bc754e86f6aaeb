// What a remote command or a health check asks to run in a sandbox.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/launch.hpp"
#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

struct ExecRequest {
  ExecSpec exec;
  std::uint32_t timeoutMs = 10'000;
  std::uint32_t maxOutputBytes = 24U << 10;  // of each stream
  std::vector<std::string> unknownKeys;      // a newer agent's: left out
};

/**
 * From `{"args":[…],"env":[…],"cwd","user","privileged","timeoutMs","maxOutputBytes"}`, all but `args` optional; what
 * is absent is the sandbox's own. An unknown key is an error, or, from a `newerWriter`, noted.
 */
Result<ExecRequest> parseExecRequest(const std::string& json, const Spec& sandbox, bool newerWriter = false);

}  // namespace lightv
