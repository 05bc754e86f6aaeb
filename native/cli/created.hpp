// Creating a sandbox from the command line, as run and create do it.
#pragma once

#include "cli/command.hpp"

namespace lightv::cli {

/** Engine::create() and --cidfile. Returns the id. */
Result<std::string> createSandbox(const Engine& engine, const Parsed& parsed, CreateRequest request);

}  // namespace lightv::cli
