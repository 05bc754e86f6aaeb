// The one loop of a monitor.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

#include "monitor/life.hpp"
#include "sys/memory.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t kDropsUs = 1'000'000;

/** Descriptors of one turn. -1 is skipped by poll(2). */
class PollSet {
 public:
  std::size_t add(int fd, short events) {
    entries_.push_back({fd, events, 0});
    return entries_.size() - 1;
  }
  std::size_t addWaiting(const Output& output) {
    std::vector<int> descriptors;
    output.waiting(descriptors);
    for (const int fd : descriptors) add(fd, POLLOUT);
    return descriptors.size();
  }
  bool wait(int timeoutMs) { return poll(entries_.data(), entries_.size(), timeoutMs) >= 0; }
  [[nodiscard]] bool ready(std::size_t index) const { return entries_[index].revents != 0; }
  [[nodiscard]] bool anyReady(std::size_t first, std::size_t count) const {
    return std::any_of(entries_.begin() + static_cast<long>(first), entries_.begin() + static_cast<long>(first + count),
                       [](const pollfd& entry) { return entry.revents != 0; });
  }

 private:
  std::vector<pollfd> entries_;
};

Fd openSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

void Life::serve() {
  signals_ = openSignals();
  while (phase_ != Phase::over) turn();
  linger();
}

void Life::turn() {
  PollSet set;
  const std::size_t status = set.add(phase_ == Phase::running ? execution_.launched.status.get() : -1, POLLIN);
  const std::size_t signals = set.add(signals_.get(), POLLIN);
  const std::size_t listener = set.add(listener_.get(), POLLIN);
  const std::size_t out = set.add(out_.readable(), POLLIN);
  const std::size_t err = set.add(err_.readable(), POLLIN);
  const std::size_t outSinks = err + 1;
  const std::size_t outCount = set.addWaiting(out_);
  const std::size_t errCount = set.addWaiting(err_);
  std::vector<unsigned> ids;
  const std::size_t firstClient = outSinks + outCount + errCount;
  for (const Client& client : clients_.all()) {
    ids.push_back(client.id);
    set.add(client.connection.get(), POLLIN);
  }
  if (!set.wait(timeLeft())) return;
  if (set.anyReady(outSinks, outCount)) out_.flush();
  if (set.anyReady(outSinks + outCount, errCount)) err_.flush();
  if (set.ready(out)) out_.pump();
  if (set.ready(err)) err_.pump();
  if (set.ready(signals)) signalled();
  for (std::size_t i = 0; i < ids.size() && phase_ != Phase::over; i++) {
    if (set.ready(firstClient + i)) receive(ids[i]);
  }
  if (phase_ == Phase::over) return;
  if (set.ready(listener)) clients_.accept(listener_.get());
  if (set.ready(status) && phase_ == Phase::running) return runEnded();
  timePassed();
}

/** When time does the next thing, in microseconds; 0: never. */
std::uint64_t Life::nextAtUs() const {
  std::uint64_t next = phase_ == Phase::restarting ? restartAtUs_ : killAtUs_;
  const std::uint64_t drops = log_.drops().lines == state_.logDroppedLines ? 0 : tellDropsAtUs_;
  for (const std::uint64_t at : {releaseAtUs_, drops, log_.owesAtUs(), out_.restsUntilUs(), err_.restsUntilUs()}) {
    if (at != 0 && (next == 0 || at < next)) next = at;
  }
  return next;
}

/** Milliseconds to the next thing that time does; -1: none. */
int Life::timeLeft() const {
  const std::uint64_t at = nextAtUs();
  if (at == 0) return -1;
  const std::uint64_t now = monotonicUs();
  return now >= at ? 0 : static_cast<int>(std::min<std::uint64_t>((at - now) / 1000 + 1, INT_MAX));
}

/** Lookers see in state.json what the log has lost; once a second at most. */
void Life::tellDrops() {
  const std::uint64_t now = monotonicUs();
  const LogDrops& drops = log_.drops();
  if (drops.lines == state_.logDroppedLines || now < tellDropsAtUs_) return;
  tellDropsAtUs_ = now + kDropsUs;
  state_.logDroppedLines = drops.lines;
  state_.logDroppedBytes = drops.bytes;
  (void)writeState();
}

void Life::timePassed() {
  log_.settle();
  tellDrops();
  if (timeLeft() != 0) return;
  const std::uint64_t now = monotonicUs();
  if (releaseAtUs_ != 0 && now >= releaseAtUs_) {
    // What reading the configuration and starting took: there are thousands of us.
    releaseAtUs_ = 0;
    doChore();
    releaseMemory();
  }
  if (phase_ == Phase::restarting && now >= restartAtUs_) return startAgain();
  if (phase_ == Phase::restarting || killAtUs_ == 0 || now < killAtUs_) return;
  killAtUs_ = 0;
  killAll(execution_);
}

/** Whoever ends the monitor politely means its sandbox. */
void Life::signalled() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) stop(0, -1);
}

/** All is over but some attached client still reads slowly what was written: it is told of the end when it has it all.
 */
void Life::linger() {
  while (!clients_.all().empty()) {
    answerWaiting();
    PollSet set;
    const std::size_t outCount = set.addWaiting(out_);
    const std::size_t errCount = set.addWaiting(err_);
    if (outCount + errCount == 0) return;
    std::vector<unsigned> ids;
    for (const Client& client : clients_.all()) {
      ids.push_back(client.id);
      set.add(client.connection.get(), POLLIN);
    }
    if (!set.wait(-1)) continue;
    if (set.anyReady(0, outCount)) out_.flush();
    if (set.anyReady(outCount, errCount)) err_.flush();
    for (std::size_t i = 0; i < ids.size(); i++) {
      if (set.ready(outCount + errCount + i)) receive(ids[i]);
    }
  }
}

}  // namespace lightv
