#include "monitor/prepared.hpp"

#include <unistd.h>

#include "monitor/records.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/time.hpp"

namespace lightv {

Result<Prepared> prepareSandbox(const Spec& spec, const SandboxFiles& files, int imageMount, Fd lock) {
  Prepared prepared;
  prepared.lock = std::move(lock);
  StateRecord state;
  state.monitorPid = getpid();
  state.startedAt = timeNow();
  if (Status written = writeFileAtomic(files.state(), toJson(state)); !written) return written.error();
  Result<Fd> listener = listenSeqpacket(files.socket());
  if (!listener) return listener.error();
  prepared.listener = std::move(*listener);
  prepared.log = LogWriter(files.newDirectory() + "/log", spec.log);
  if (Status opened = prepared.log.open(); !opened) prepared.logWarning = "log: " + opened.error().message();
  Result<WaitingRun> run = prepareRun(spec, files.newDirectory(), imageMount);
  if (!run) return run.error();
  prepared.run = std::move(*run);
  return prepared;
}

}  // namespace lightv
