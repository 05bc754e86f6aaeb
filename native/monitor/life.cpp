#include "monitor/life.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "monitor/config_file.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/memory.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** A run that lasts so long may do so for days. A short one would only fault the same pages in again. */
constexpr std::uint64_t kSettledUs = 1'000'000;
/** About what a burst of starts takes. */
constexpr int kGiveWayMs = 250;

bool isReadable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

/** As the command's exit codes: 127 not found, 126 can't be invoked, 125 the engine (docs/sandbox.md). */
ExitInfo failedStart(const Error& error) {
  ExitInfo exit;
  exit.exitCode = error.op != "exec" ? 125 : error.err == ENOENT ? 127 : 126;
  exit.finishedAt = timeNow();
  exit.error = error.message();
  return exit;
}

}  // namespace

bool Life::begin(Fd client, Message message, const ControlRequest& request, Fd lock) {
  lock_ = std::move(lock);
  const unsigned id = clients_.add(std::move(client)).id;
  state_.monitorPid = getpid();
  size_ = request.size;
  stdinOnce_ = request.wantStdin && !spec_.terminal;
  const auto meanwhile = [&]() -> Status {
    if (Status opened = log_.open(); !opened) logWarning_ = "log: " + opened.error().message();
    attach(id, request, message);
    return {};
  };
  return answerStart(id, request, start(meanwhile));
}

/** From now on whoever wants something of this sandbox waits until it has been started. */
Status Life::listen() {
  if (listener_) return {};
  Result<Fd> listener = listenSeqpacket(files_.socket());
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

bool Life::beginPrepared(Fd client, Message message, const ControlRequest& request, Prepared prepared, Order order,
                         const std::function<Status()>& meanwhile) {
  lock_ = std::move(prepared.lock);
  listener_ = std::move(prepared.listener);
  log_ = std::move(prepared.log);
  log_.moved(files_.logDirectory());
  logWarning_ = std::move(prepared.logWarning);
  const unsigned id = clients_.add(std::move(client)).id;
  state_.monitorPid = getpid();
  stdinOnce_ = request.wantStdin;
  const auto behind = [&] {
    attach(id, request, message);
    return meanwhile();
  };
  return answerStart(id, request, startPrepared(std::move(prepared.run), std::move(order), behind));
}

/** Tells the starter how it went. */
bool Life::answerStart(unsigned id, const ControlRequest& request, const Status& status) {
  if (!status) {
    // The record before the answer, as at any other end: who hears of it may look at once.
    const Fd starter = std::move(clients_.find(id)->connection);
    leave(id);
    finish(failedStart(status.error()));
    (void)sendMessage(starter.get(), errorAnswer(status.error()));
    return false;
  }
  clients_.send(id, toJson(ControlAnswer{.pid = state_.pid, .warnings = state_.warnings}),
                request.wantStdin ? execution_.stdinEnd.get() : -1);
  if (Client* first = clients_.find(id)) first->waits = true;
  if (stdinOnce_) execution_.stdinEnd.reset();
  releaseAtUs_ = monotonicUs() + kSettledUs;
  return true;
}

/** The records come first, so that a loss at any point is seen. */
Status Life::writeStart() {
  state_.startedAt = timeNow();
  state_.status = SandboxStatus::created;
  if (spec_.autoRemove) return {};
  const std::string record = toJson(StartRecord{state_.startedAt, state_.restartCount});
  return writeFileAtomic(files_.started(), record);
}

/** One run. From its first record on a monitor that vanishes is noticed. */
Status Life::start(const std::function<Status()>& meanwhile) {
  if (Status written = writeStart(); !written) return written;
  if (Status written = writeState(); !written) return written;
  if (Status listening = listen(); !listening) return listening;
  Result<Execution> execution = execute(spec_, files_, size_, meanwhile);
  if (!execution) return execution.error();
  takeExecution(std::move(*execution));
  return {};
}

/**
 * A first run that only waits for its order; state.json is there already. `meanwhile` makes the sandbox visible, so the
 * record of the start comes behind it.
 */
Status Life::startPrepared(WaitingRun run, Order order, const std::function<Status()>& meanwhile) {
  Status begun = orderRun(run, spec_, std::move(order));
  if (begun.ok()) begun = meanwhile();
  if (begun.ok()) begun = writeStart();
  if (!begun) {
    dropRun(run);
    return begun;
  }
  Result<Execution> execution = awaitRun(std::move(run));
  if (!execution) return execution.error();
  takeExecution(std::move(*execution));
  return {};
}

void Life::takeExecution(Execution execution) {
  execution_ = std::move(execution);
  startedUs_ = monotonicUs();
  killAtUs_ = 0;
  out_.open(std::move(execution_.output));
  err_.open(std::move(execution_.errors));
  state_.warnings = execution_.warnings;
  if (std::string unknown = unknownKeysWarning(spec_.unknownKeys); !unknown.empty())
    state_.warnings.push_back("config.json: " + unknown);
  if (!logWarning_.empty()) state_.warnings.push_back(logWarning_);
  state_.pid = execution_.launched.workloadPid;
  state_.initPid = execution_.launched.initPid;
  phase_ = Phase::running;
  state_.status = SandboxStatus::running;
  // Of one that has ended by now the next record tells more.
  if (!isReadable(execution_.launched.status.get())) (void)writeState();
}

void Life::runEnded() {
  out_.drain();
  err_.drain();
  state_.logDroppedLines = log_.drops().lines;
  state_.logDroppedBytes = log_.drops().bytes;
  ExitInfo exit = howItEnded(execution_);
  if (!shallRestart(spec_.restart, exit.exitCode, state_.restartCount, stopped_)) return finish(std::move(exit));
  phase_ = Phase::restarting;
  const std::uint64_t delayUs = std::uint64_t{backoff_.next(monotonicUs() - startedUs_)} * 1000;
  restartAtUs_ = monotonicUs() + delayUs;
  state_.exit = std::move(exit);
  state_.pid = state_.initPid = 0;
  setStatus(SandboxStatus::restarting);
  size_ = terminalSize(execution_);
  tearDown(execution_);
}

void Life::startAgain() {
  state_.restartCount++;
  // What `update` and `rename` have changed meanwhile counts from now on.
  if (Result<Spec> spec = readSpec(files_.config())) {
    spec->restart = spec_.restart;
    spec_ = std::move(*spec);
    log_.change(spec_.log);
  }
  const Status started = start();
  if (started.ok()) {
    if (stdinOnce_) execution_.stdinEnd.reset();
    return;
  }
  ExitInfo exit = failedStart(started.error());
  if (!shallRestart(spec_.restart, exit.exitCode, state_.restartCount, stopped_)) return finish(std::move(exit));
  phase_ = Phase::restarting;
  restartAtUs_ = monotonicUs() + std::uint64_t{backoff_.next(0)} * 1000;
  state_.exit = std::move(exit);
  setStatus(SandboxStatus::restarting);
}

/**
 * The end for good. The record first, then nobody new comes in, then those who wait are told, and only then the slow
 * part. Until that is done state.json says "exited": who wants to start or remove waits for the lock, and if we are
 * killed here, the next looker clears up.
 */
void Life::finish(ExitInfo exit) {
  phase_ = Phase::over;
  state_.pid = state_.initPid = 0;
  exit.shutdown = shutdown_;
  const ExitRecord record{
      exit, state_.startedAt, state_.restartCount, state_.warnings, state_.logDroppedLines, state_.logDroppedBytes};
  state_.exit = exit;
  ended_ = std::move(exit);
  bool recorded = true;
  // One that is hidden is found by nobody, not by its name either: all else can wait until the caller has his answer.
  const bool hidden = spec_.autoRemove && hideDirectory(files_).ok();
  if (!spec_.autoRemove) {
    recorded = writeFileAtomic(files_.exit(), toJson(record), 0600, Durable::yes).ok();
    if (recorded) unlink(files_.started().c_str());
  }
  if (hidden) answerWaiting();
  state_.status = SandboxStatus::exited;
  if (!hidden) (void)writeState();
  unlink(files_.socket().c_str());
  listener_.reset();
  if (!hidden) answerWaiting();
  // Nobody waits for the rest, which is half of a start's work: other starts of a burst go first.
  if (hidden && !stopped_ && clients_.all().empty()) (void)poll(nullptr, 0, kGiveWayMs);
  tearDown(execution_);
  doChore();
  if (spec_.autoRemove) removeFiles();
  // On a full disk it is the only one that knows: whoever looks next tries again to write the record.
  if (recorded) unlink(files_.state().c_str());
  lock_.reset();
}

void Life::doChore() {
  if (const std::function<void()> chore = std::exchange(chore_, nullptr)) chore();
}

void Life::removeFiles() {
  (void)hideSandbox(files_, spec_.name);
  (void)deleteVolumes(files_.paths(), anonymousVolumes(spec_));
  (void)deleteHidden(files_, spec_.idBase);
}

Status Life::writeState() {
  return writeFileAtomic(files_.state(), toJson(state_));
}

void Life::setStatus(SandboxStatus status) {
  state_.status = status;
  (void)writeState();
}

}  // namespace lightv
