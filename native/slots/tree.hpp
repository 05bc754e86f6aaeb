// A prefix tree that an agent runs from: bin/lightvd and what it needs below lib/lightv.
#pragma once

#include <optional>
#include <string>

#include "sys/result.hpp"

namespace lightv {

/** lib/lightv/release.json, what of it is needed here. */
struct Release {
  std::string version, architecture;
};
Result<Release> readRelease(const std::string& tree);

/** Why this tree can't run here; absent: all its parts are there. Looks, reads one small file, and executes nothing. */
std::optional<std::string> flawOfTree(const std::string& tree);

/** Of this binary, by Go's names. */
const char* ownArchitecture();

}  // namespace lightv
