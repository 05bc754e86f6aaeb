#include "engine/stop_all.hpp"

#include <cerrno>

#include "engine/talk.hpp"

namespace lightv {
namespace {

bool runs(SandboxStatus status) {
  return status != SandboxStatus::created && status != SandboxStatus::exited;
}

/** The connection on which the answer will come; invalid: nobody could be asked like this. */
Fd askToStop(const SandboxFiles& files) {
  Result<Fd> connection = reachMonitor(files);
  if (!connection) return {};
  if (!sendMessage(connection->get(), toJson(ControlRequest{.op = ControlOp::stop, .shutdown = true}))) return {};
  return std::move(*connection);
}

}  // namespace

Result<std::vector<Stopped>> stopAll(const Engine& engine) {
  const Result<std::vector<SandboxInfo>> infos = engine.list();
  if (!infos) return infos.error();
  std::vector<Stopped> stopped;
  std::vector<Fd> asked;
  for (const SandboxInfo& info : *infos) {
    if (!runs(info.status)) continue;
    stopped.push_back({info.spec.id, info.spec.name, {}});
    asked.push_back(askToStop(SandboxFiles(engine.paths(), info.spec.id)));
  }
  for (std::size_t i = 0; i < stopped.size(); i++) {
    if (asked[i]) (void)receiveMessage(asked[i].get());
    // Whatever the answer was: this waits for the end, or asks again where the monitor was just coming or going.
    const Status ended = engine.stop(stopped[i].id, 0, -1);
    // Gone by itself (--rm) is what was wanted.
    if (!ended && ended.error().err != ENOENT) stopped[i].status = ended;
  }
  return stopped;
}

}  // namespace lightv
