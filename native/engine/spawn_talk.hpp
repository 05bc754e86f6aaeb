// The words to the spawner: a small process without restrictions that starts, on behalf of an agent which its unit
// confines, what must not inherit that confinement. Who has no spawner (plain init, tests) does it himself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

enum class SpawnOp { monitor, exec };

/** `monitor`: comes with the start socket. `exec`: with stdout and stderr; `exec` is an exec request's JSON. */
struct SpawnRequest {
  SpawnOp op = SpawnOp::monitor;
  Paths paths;
  std::string id;
  std::string exec;
  std::vector<std::string> unknownKeys;  // a newer agent's: left out
};

std::string toJson(const SpawnRequest& request);
Result<SpawnRequest> parseSpawnRequest(std::string_view json);

std::string spawnSocket(const Paths& paths);

/** A connection to the spawner; an invalid Fd where there is none. */
Result<Fd> reachSpawner(const Paths& paths);

}  // namespace lightv
