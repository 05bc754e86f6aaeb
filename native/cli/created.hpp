// Creating a sandbox from the command line, as run and create do it.
#pragma once

#include "cli/command.hpp"
#include "cli/foreground.hpp"

namespace lightv::cli {

/** Engine::create() and --cidfile. Returns the id. */
Result<std::string> createSandbox(const Engine& engine, const Parsed& parsed, CreateRequest request);

/** The same and its start, by a prepared sandbox where there is one. With --rm nothing of a failure is left. */
Begun createAndStart(const Engine& engine, const Parsed& parsed, CreateRequest request, const StartOptions& options);

}  // namespace lightv::cli
