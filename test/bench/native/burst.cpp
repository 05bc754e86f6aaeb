// Runs one command many times at once.
//
//   burst at-once COUNT < command               all are started as fast as this can, then awaited
//   burst sustained SECONDS AT_ONCE < command   a new one begins as soon as one of AT_ONCE has ended
//   burst rate SECONDS PER_SECOND < command     one begins at each tick, whatever the others do; a late tick counts as
//   waiting
//
// Prints a line a run: `<nanoseconds from the beginning to its start> <nanoseconds it took> <exit code>`.
#include <poll.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "spawn.hpp"

namespace {

class Burst {
 public:
  explicit Burst(bench::Command command) : command_(std::move(command)) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, nullptr);
    descriptor_ = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  /** Starts one run that was due at `due`. */
  void begin(long long due) {
    const pid_t pid = bench::start(command_);
    if (pid > 0)
      running_[pid] = due;
    else
      tell(due, 127);
  }

  std::size_t running() const { return running_.size(); }

  /** Takes the ends of runs, for `milliseconds` at most when there is none; -1: as long as it takes. */
  void reap(int milliseconds) {
    pollfd ready{descriptor_, POLLIN, 0};
    poll(&ready, 1, milliseconds);
    signalfd_siginfo ignored;
    while (read(descriptor_, &ignored, sizeof ignored) > 0) {
    }
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
      const auto found = running_.find(pid);
      if (found == running_.end()) continue;
      tell(found->second, bench::exitCode(status));
      running_.erase(found);
    }
  }

  void drain() {
    while (!running_.empty()) reap(-1);
  }

  long long began() const { return began_; }

 private:
  void tell(long long due, int code) const { std::printf("%lld %lld %d\n", due - began_, bench::now() - due, code); }

  bench::Command command_;
  int descriptor_ = -1;
  long long began_ = bench::now();
  std::unordered_map<pid_t, long long> running_;
};

constexpr long long kSecond = 1'000'000'000;

void sustained(Burst& burst, long long seconds, std::size_t atOnce) {
  const long long end = burst.began() + seconds * kSecond;
  while (bench::now() < end) {
    while (burst.running() < atOnce && bench::now() < end) burst.begin(bench::now());
    burst.reap(100);
  }
}

void rate(Burst& burst, long long seconds, long long perSecond) {
  for (long long i = 0; i < seconds * perSecond; ++i) {
    const long long due = burst.began() + i * kSecond / perSecond;
    for (long long left = due - bench::now(); left > 0; left = due - bench::now())
      burst.reap(static_cast<int>(left / 1'000'000) + 1);
    burst.begin(due);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto commands = bench::readCommands();
  if (argc < 3 || commands.size() != 1) return 2;
  Burst burst(commands[0]);
  const long long first = std::atoll(argv[2]);
  const long long second = argc > 3 ? std::atoll(argv[3]) : 1;
  if (std::strcmp(argv[1], "at-once") == 0)
    for (long long i = 0; i < first; ++i) burst.begin(burst.began());
  else if (std::strcmp(argv[1], "sustained") == 0)
    sustained(burst, first, static_cast<std::size_t>(second));
  else if (std::strcmp(argv[1], "rate") == 0)
    rate(burst, first, second);
  else
    return 2;
  burst.drain();
  return 0;
}
