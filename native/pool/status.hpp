// What the keeper says about itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

struct ShelfStatus {
  std::string digest, name;
  std::size_t ready = 0, preparing = 0;
  unsigned wanted = 0, wish = 0;
  std::uint64_t taken = 0;
};

struct PoolStatus {
  pid_t pid = 0;
  unsigned most = 0;
  bool paused = false;         // memory is short: nothing is made ahead
  std::uint64_t taken = 0;     // starts by a prepared sandbox
  std::uint64_t missed = 0;    // starts that would have been, had there been one
  std::uint64_t failures = 0;  // prepared sandboxes that could not be made
  std::string lastFailure;
  std::vector<ShelfStatus> images;
};

std::string toJson(const PoolStatus& status);
Result<PoolStatus> parsePoolStatus(const std::string& json);

}  // namespace lightv
