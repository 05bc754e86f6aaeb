// `lightv agent-launch`: becomes the agent that the slots' record asks for, and falls back when that can't run.
#pragma once

#include <span>
#include <string>

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

/** How a service ended, as the service manager tells it to ExecStopPost (systemd.exec(5)). */
struct ServiceEnd {
  std::string result, code, status;  // $SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS
};
/** Leaves it as a note when a trial is on; does nothing otherwise. */
Status noteServiceEnd(const SlotFiles& files, const ServiceEnd& end);
/** One sentence for people. */
std::string describeEnd(const ServiceEnd& end);

}  // namespace lightv
