// The spawner's side: accepts, and forks a child for each request.
#pragma once

#include "sys/result.hpp"

namespace lightv {

/**
 * Serves requests (spawn_talk.hpp) on `listener` until the process is ended by a signal; what it has started goes on.
 * Only root, or whoever runs it, is served.
 */
Status serveSpawner(int listener);

}  // namespace lightv
