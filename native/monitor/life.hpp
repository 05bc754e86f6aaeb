// The state of one monitor and what happens in it, one event at a time. No process set-up here (monitor.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "monitor/clients.hpp"
#include "monitor/control.hpp"
#include "monitor/execution.hpp"
#include "monitor/layout.hpp"
#include "monitor/log_writer.hpp"
#include "monitor/output.hpp"
#include "monitor/prepared.hpp"
#include "monitor/records.hpp"
#include "monitor/restart.hpp"
#include "sys/socket.hpp"

namespace lightv {

class Life {
 public:
  Life(SandboxFiles files, Spec spec)
      : files_(std::move(files)), spec_(std::move(spec)), log_(files_.logDirectory(), spec_.log) {}

  /** Takes the first client (with its "start") and the lock, and starts the sandbox. False: it has been told why not.
   */
  bool begin(Fd client, Message message, const ControlRequest& request, Fd lock);
  /** The same for a sandbox that was prepared; its run has no terminal. `meanwhile` comes between order and answer;
   * when it fails, so does the start. */
  bool beginPrepared(Fd client, Message message, const ControlRequest& request, Prepared prepared, Order order,
                     const std::function<Status()>& meanwhile);
  /** What is in nobody's way if it waits: done when the sandbox has run for a second, or behind its end. */
  void later(std::function<void()> chore) { chore_ = std::move(chore); }
  /** Serves until the sandbox has ended for good, its traces are gone and attached clients have their output. */
  void serve();

 private:
  enum class Phase { starting, running, restarting, over };

  // life.cpp
  bool answerStart(unsigned id, const ControlRequest& request, const Status& status);
  Status start(const std::function<Status()>& meanwhile = nullptr);
  Status listen();
  Status startPrepared(WaitingRun run, Order order, const std::function<Status()>& meanwhile);
  Status writeStart();
  void takeExecution(Execution execution);
  void runEnded();
  void startAgain();
  void finish(ExitInfo exit);
  void removeFiles();
  void doChore();
  Status writeState();
  void setStatus(SandboxStatus status);

  // serve.cpp
  void turn();
  [[nodiscard]] int timeLeft() const;
  [[nodiscard]] std::uint64_t nextAtUs() const;
  void timePassed();
  void tellDrops();
  void signalled();
  void linger();

  // requests.cpp
  void receive(unsigned id);
  void answer(unsigned id, ControlRequest request, Message& message);
  void attach(unsigned id, const ControlRequest& request, Message& message);
  void leave(unsigned id);
  void stop(int signal, std::int64_t timeoutMs);
  Status kill(int signal);
  Status pause(bool paused);
  Status change(const ControlRequest& request);
  void endIfUnwanted();
  void answerWaiting();

  SandboxFiles files_;
  Spec spec_;
  Phase phase_ = Phase::starting;
  StateRecord state_;
  LogWriter log_;
  Output out_{log_, Stream::out};
  Output err_{log_, Stream::err};
  Clients clients_;
  Execution execution_;
  RestartBackoff backoff_;
  std::optional<ExitInfo> ended_;  // set when over
  bool stopped_ = false;           // by the user: not started again
  bool shutdown_ = false;          // stopped because the system goes down
  TerminalSize size_;              // of the next run's terminal: as the user, or the last run, left it
  bool stdinOnce_ = false;         // whoever started it owns stdin: it ends with that client
  std::uint64_t startedUs_ = 0;
  std::uint64_t killAtUs_ = 0;  // 0: no stop under way
  std::uint64_t restartAtUs_ = 0;
  std::uint64_t releaseAtUs_ = 0;    // when memory of the start is given back; 0: it has been
  std::uint64_t tellDropsAtUs_ = 1;  // when state.json may tell again what the log has lost
  std::function<void()> chore_;
  std::string logWarning_;
  Fd lock_, listener_, signals_;
};

}  // namespace lightv
