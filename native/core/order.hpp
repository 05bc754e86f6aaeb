// The order to a parked process: what only the request says about the workload, as bytes. Both ends are copies of one
// process, so there is no version in it.
#pragma once

#include <string>
#include <string_view>

#include "core/process.hpp"

namespace lightv {

/** Arguments, environment, the paths to try, directory and user. */
std::string encodeOrder(const Process& process);

/** Puts them into `process`, whose argv and envp are laid out anew. False: it is broken, and `process` half changed. */
bool decodeOrder(std::string_view bytes, Process& process);

}  // namespace lightv
