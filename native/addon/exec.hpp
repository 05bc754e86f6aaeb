// A program in a sandbox, run to its end, with what it wrote: health checks and remote commands.
#pragma once

#include <string>

#include "engine/engine.hpp"
#include "sys/result.hpp"

namespace lightv::addon {

/**
 * Takes `{"args":[…],"env":[…],"cwd","user","privileged","timeoutMs","maxOutputBytes"}`, all but `args` optional. Gives
 * `{"exitCode":n,"stdout":base64,"stderr":base64,"truncated":bool,"timedOut":bool}`: the end of each stream. Blocks
 * until the program has ended or its time is over; then it is killed (exit code 137).
 */
Result<std::string> execAndCollect(const Engine& engine, const std::string& id, const std::string& execJson);

}  // namespace lightv::addon
