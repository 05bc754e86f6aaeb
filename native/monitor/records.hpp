// What a monitor leaves in files and says on its socket about a sandbox: state.json, started.json, exit.json.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

enum class SandboxStatus { created, running, paused, restarting, exited };
/** "created", "running", … as in docs/sandbox.md. */
const char* statusName(SandboxStatus status);

struct ExitInfo {
  int exitCode = 0;
  int signal = 0;
  bool oomKilled = false;
  bool lost = false;  // the monitor died first
  std::string finishedAt;
  std::string error;      // why it could not be started
  bool shutdown = false;  // stopped because the system went down: neither failed nor unwanted
};

/** state.json: what the monitor last wrote. `created` in it means: about to start. */
struct StateRecord {
  SandboxStatus status = SandboxStatus::created;
  pid_t pid = 0, initPid = 0, monitorPid = 0;
  std::string startedAt;
  std::uint32_t restartCount = 0;
  std::vector<std::string> warnings;
  std::optional<ExitInfo> exit;  // exited: how; else how the run before this one ended, when it was started again
  std::uint64_t logDroppedLines = 0, logDroppedBytes = 0;  // since the monitor's start
};

/** exit.json. `startedAt` ties it to the run that it is about. */
struct ExitRecord {
  ExitInfo exit;
  std::string startedAt;
  std::uint32_t restartCount = 0;
  std::vector<std::string> warnings;
  std::uint64_t logDroppedLines = 0, logDroppedBytes = 0;  // since the monitor's start
};

/** started.json: that a run has begun, for a looker after a reboot, when nothing of RUN is left. */
struct StartRecord {
  std::string startedAt;
  std::uint32_t restartCount = 0;
};

std::string toJson(const ExitInfo& exit);
std::string toJson(const StateRecord& state);
std::string toJson(const ExitRecord& record);
std::string toJson(const StartRecord& record);

/** The readers: a file that is missing is ENOENT, a broken one EBADMSG that names it. */
Result<StateRecord> readState(const std::string& path);
Result<ExitRecord> readExitRecord(const std::string& path);
Result<StartRecord> readStartRecord(const std::string& path);

}  // namespace lightv
