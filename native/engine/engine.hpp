// The verbs. Everything the command, the Node addon and later the OCI runtime do to sandboxes goes through here;
// it keeps no state of its own: docs/sandbox.md says in which files it lies.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/cgroup.hpp"
#include "core/launch.hpp"
#include "core/spec.hpp"
#include "core/tmpfs_size.hpp"
#include "image/store.hpp"
#include "monitor/layout.hpp"
#include "monitor/records.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** What a user asks for, before the image's own configuration is merged in. JSON in docs/sandbox.md, "Create request".
 */
struct CreateRequest {
  Spec spec;  // id, created, imageDigest, imagePath, args are filled by create(); env and the rest as asked
  std::string image;
  std::optional<std::vector<std::string>> entrypoint;  // --entrypoint; replaces the image's and drops its Cmd
  std::vector<std::string> command;
  bool workdirGiven = false, userGiven = false, stopSignalGiven = false, hostnameGiven = false;
  bool cgroupParentGiven = false;            // else create() takes defaultCgroupParent()
  bool usernsGiven = false;                  // else create() takes the default, mergeImage()
  std::vector<std::string> capAdd, capDrop;  // "ALL", with or without CAP_
  bool privileged = false;
};
/** From the agent's JSON. Unknown keys are errors that name the key. */
Result<CreateRequest> parseCreateRequest(std::string_view json);

struct SandboxInfo {
  Spec spec;
  SandboxStatus status = SandboxStatus::created;
  pid_t pid = 0, initPid = 0, monitorPid = 0;
  std::string startedAt;
  std::uint32_t restartCount = 0;
  std::uint64_t logDroppedLines = 0, logDroppedBytes = 0;  // since the monitor's start
  std::optional<ExitInfo> exit;
  std::vector<std::string> warnings;
};
/** The shape of docs/sandbox.md, "A sandbox info". */
std::string toJson(const SandboxInfo& info);

/** How the monitor comes to life: fork of this (small, static) process, or a new process of `monitorBinary` (from
 * Node). */
struct StartOptions {
  std::string monitorBinary;  // empty: fork
  Stdio attach;               // descriptors to attach from the first byte; -1: detached
  bool attachStdin = false;   // wants Started::stdinWrite or ptyMaster
  /** So long has the monitor to answer, in milliseconds: unpacking a large image where there is no EROFS takes minutes.
   */
  int answerTimeoutMs = 600'000;
};

struct Started {
  Fd control;   // connection to ctl.sock on which "wait" has been asked: readable when the sandbox has ended for good
  Fd stdinEnd;  // write end of stdin, or the pty master
  pid_t pid = 0;
  std::vector<std::string> warnings;
};

/** What a prepared sandbox became; it is there also when its program could not be started. */
struct PreparedStart {
  std::string id;
  Result<Started> started;
};

/** A talk with a prepared sandbox that has begun already (native/entry). */
struct PreparedTalk {
  Fd socket;       // the request has been sent
  std::string id;  // empty: no word has come yet
  pid_t pid = 0;   // 0: nor has the answer to the start
};

/** Reads the answer to "wait" from Started::control; blocks until it is there. A monitor that died first: `lost`, exit
 * code 137. */
ExitInfo receiveExit(int control);

struct SandboxStats {
  CgroupStats cgroup;
  std::uint64_t logDroppedLines = 0, logDroppedBytes = 0;                         // since the monitor's start
  std::optional<std::uint64_t> layerUsedBytes, layerLimitBytes, layerFreeInodes;  // of a bounded writable layer
  std::uint64_t monotonicUs = 0;                                                  // when it was read
};

/** What `update` changes; absent: as it is. `restart`, `log`, `rlimits` are whole, `limits` too. */
struct SandboxChange {
  std::optional<Limits> limits = {};
  std::optional<RestartPolicy> restart = {};
  std::optional<LogOptions> log = {};
  std::optional<std::vector<Rlimit>> rlimits = {};
  std::optional<std::uint64_t> storageSizeBytes = {};
  std::vector<TmpfsSize> tmpfsSizes = {};
};

class Engine {
 public:
  explicit Engine(Paths paths) : paths_(std::move(paths)) {}

  /** Writes the sandbox's directory and claims its name. Returns the id. */
  [[nodiscard]] Result<std::string> create(CreateRequest request) const;
  /** Returns when the workload runs, or why it can't (launch()'s error convention). Starting what runs is EALREADY.
   * ETIMEDOUT: its monitor did not answer; it was killed, and what it had begun has ended. */
  [[nodiscard]] Result<Started> start(const std::string& id, const StartOptions& options) const;
  /**
   * create() and start() at once, by a sandbox that waits for such a request (docs/hot-start.md). Absent: there is none
   * that fits, nothing has happened, and the caller does it himself.
   */
  [[nodiscard]] std::optional<PreparedStart> startPrepared(const CreateRequest& request,
                                                           const StartOptions& options) const;
  /** The same from where `talk` has come to. */
  [[nodiscard]] std::optional<PreparedStart> joinPrepared(PreparedTalk talk, const StartOptions& options) const;
  /** Full id for a name, an id or a unique prefix of one. ENOENT: "No such sandbox". */
  [[nodiscard]] Result<std::string> find(const std::string& nameOrId) const;
  /** Also notices and cleans up after lost monitors. */
  [[nodiscard]] Result<SandboxInfo> info(const std::string& id) const;
  [[nodiscard]] Result<std::vector<SandboxInfo>> list() const;
  [[nodiscard]] Result<SandboxStats> stats(const std::string& id) const;

  [[nodiscard]] Result<ExitInfo> wait(const std::string& id) const;
  /** `signal` 0: the sandbox's own; `timeoutMs` < 0: the sandbox's own. Stopping what is stopped is fine. */
  [[nodiscard]] Status stop(const std::string& id, int signal, int timeoutMs) const;
  [[nodiscard]] Status kill(const std::string& id, int signal) const;
  [[nodiscard]] Status remove(const std::string& id, bool force, bool volumes) const;
  [[nodiscard]] Status pause(const std::string& id) const;
  [[nodiscard]] Status unpause(const std::string& id) const;
  [[nodiscard]] Status rename(const std::string& id, const std::string& name) const;
  /** Of a running sandbox at once; on failure nothing has changed in its configuration. */
  [[nodiscard]] Status update(const std::string& id, const SandboxChange& change) const;
  [[nodiscard]] Result<ExecHandle> exec(const std::string& id, const ExecSpec& spec) const;
  /** Connects, hands over stdout and stderr; `stdinEnd` is set if asked for. Detached when `control` closes. */
  [[nodiscard]] Result<Started> attach(const std::string& id, const Stdio& stdio, bool wantStdin) const;
  [[nodiscard]] Result<std::vector<pid_t>> processes(const std::string& id) const;
  /** Removes run directories, cgroups and half-made sandboxes that no living monitor owns. Returns how many. */
  [[nodiscard]] Result<unsigned> sweep() const;

  /** Ids of the sandboxes (half-made ones too) that were made from this image: while there is one, the image stays. */
  [[nodiscard]] Result<std::vector<std::string>> usersOf(const std::string& imageDigest) const;
  /** What removes images holds this over "nobody uses it" and the removal; create() holds it shared. Released by
   * closing it. */
  [[nodiscard]] Result<Fd> lockImages(bool exclusive) const;

  [[nodiscard]] const Paths& paths() const { return paths_; }
  [[nodiscard]] ImageStore images() const { return ImageStore(paths_.root); }
  [[nodiscard]] std::string logPath(const std::string& id) const;

 private:
  Paths paths_;
};

}  // namespace lightv
