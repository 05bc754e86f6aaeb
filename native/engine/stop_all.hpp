// Every sandbox asked to end at once, each by its own signal and with its own patience.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace lightv {

struct Stopped {
  std::string id, name;
  Status status;
};

/**
 * Stops all that run, because the system goes down: together they take as long as the slowest. Their restart policies
 * do not start them again, and their exits say `shutdown`.
 * Paused ones get their signal when they are thawed, as at `stop`.
 */
Result<std::vector<Stopped>> stopAll(const Engine& engine);

}  // namespace lightv
