// Verbs that are not native: they run on Node, from lib/lightv beside the binary.
#pragma once

#include <span>
#include <string_view>

#include "engine/engine.hpp"

namespace lightv::cli {

struct DelegatedVerb {
  const char* name;
  const char* bundle;  // below lib/lightv
  bool passName;       // the bundle has several verbs and takes the name first
  const char* summary;
};

std::span<const DelegatedVerb> delegatedVerbs();
const DelegatedVerb* findDelegated(std::string_view name);

/** Becomes the verb's process; returns an exit code only when it can't. The roots go by the environment. */
int runDelegated(const DelegatedVerb& verb, const Paths& paths, std::span<char* const> argv);

}  // namespace lightv::cli
