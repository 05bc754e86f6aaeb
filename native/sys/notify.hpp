// sd_notify(3) without libsystemd.
#pragma once

#include <string_view>

namespace lightv {

/**
 * Sends `state` to $NOTIFY_SOCKET, a path or an abstract name ("@…"). False when it is not set or nobody takes it: a
 * service manager that is away must not stop the service. Never blocks.
 */
bool notifyService(std::string_view state);

}  // namespace lightv
