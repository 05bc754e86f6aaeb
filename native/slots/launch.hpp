// `lightv agent-launch`: becomes the agent that the slots' record asks for, and falls back when that can't run.
#pragma once

#include <span>
#include <string>

#include "slots/ends.hpp"
#include "slots/files.hpp"

namespace lightv {

struct LaunchOptions {
  SlotFiles files;
  std::string usrTree;  // the tree that this program belongs to
  std::string base;     // its version; empty: it can't be read
};

/**
 * Replaces this process by TREE/bin/lightvd with `arguments`; the pid and the environment stay, with LIGHTV_AGENT_SLOT
 * and its like added. Returns only when no tree could be executed at all. What went wrong on the way is said on stderr.
 */
Error launchAgent(const LaunchOptions& options, std::span<const std::string> arguments);

/**
 * Keeps what the service manager tells of an agent's end: as a note when a trial is on, else as one crash more of the
 * tree that ran, if it was one. Does nothing where nothing came over the air.
 */
Status noteServiceEnd(const LaunchOptions& options, const ServiceEnd& end);

}  // namespace lightv
