// Is the machine going down, or is a unit merely restarted?
#pragma once

#include <string_view>

namespace lightv::cli {

/** What `systemctl is-system-running` says (systemctl(1)) when shutdown.target is on its way. */
bool saysShuttingDown(std::string_view output);

/** Asks the service manager; no when there is none to ask. */
bool isShuttingDown();

}  // namespace lightv::cli
