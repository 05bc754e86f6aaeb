// A seccomp filter that makes a new kernel look like an older one: calls that it lacks fail as they would there.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

namespace without {

enum class How {
  always,   // fails with `err`
  ifFlags,  // when the first argument has one of `flags`
  ask,      // the supervisor reads the arguments in memory, and decides
};

struct Rule {
  std::uint32_t call;
  How how;
  int err;
  std::uint32_t flags = 0;
};

/** What a feature's name stands for. */
struct Missing {
  std::vector<Rule> rules;
  bool userNamespaces = false, erofs = false, erofsFiles = false;  // decided by the supervisor
};

/** Adds a feature; false when there is none of that name. */
bool addFeature(const std::string& name, Missing& missing);
/** All names, for the usage text. */
std::vector<std::string> featureNames();
/** Rules as a program for this machine's native calls; others pass. */
std::vector<sock_filter> compile(const std::vector<Rule>& rules);

}  // namespace without
