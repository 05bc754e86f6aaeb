// Hogs of what processes are made of: themselves, memory, descriptors, processor time, and lines of a log.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "hog.hpp"

namespace hog {
namespace {

void nap(unsigned microseconds) {
  (void)usleep(microseconds);
}

void most(std::uint64_t now) {
  if (now > tally->got) tally->got = now;
}

}  // namespace

/** Every process that it gets asks for the next one, for ever. */
int processes() {
  std::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const pid_t pid = fork();
    if (pid > 0) {
      __atomic_add_fetch(&tally->total, 1, __ATOMIC_RELAXED);
      most(tally->total);
    } else if (pid < 0) {
      __atomic_add_fetch(&tally->refused, 1, __ATOMIC_RELAXED);
    }
  }
}

/** A child takes and touches until it is killed for it; then comes the next one. */
int memory() {
  for (;;) {
    const pid_t pid = fork();
    if (pid == 0) {
      constexpr std::size_t piece = 1U << 20;
      for (std::uint64_t have = piece;; have += piece) {
        void* more = mmap(nullptr, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) _exit(1);
        std::memset(more, 1, piece);
        most(have);
        tally->total += piece;
      }
    }
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status)) tally->refused++;
    if (pid < 0) nap(1000);
  }
}

/** First raises its own limit to the most that it may. */
int descriptors() {
  rlimit limit{};
  (void)getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  for (std::uint64_t have = 0;;) {
    if (open("/dev/null", O_RDONLY) >= 0) {
      most(++have);
      tally->total++;
    } else {
      tally->refused++;
      if (errno != EMFILE) nap(1000);
    }
  }
}

int processor() {
  constexpr int spinners = 8;
  for (int i = 1; i < spinners; i++) {
    if (fork() == 0) break;
  }
  for (std::uint64_t round = 0;; round++) {
    if (round % (1U << 20) == 0) __atomic_add_fetch(&tally->total, 1, __ATOMIC_RELAXED);
  }
}

int log() {
  char line[120];
  std::memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  char lines[sizeof line * 64];
  for (std::size_t at = 0; at < sizeof lines; at += sizeof line) std::memcpy(lines + at, line, sizeof line);
  for (;;) {
    const ssize_t wrote = write(1, lines, sizeof lines);
    if (wrote > 0) tally->total += static_cast<std::uint64_t>(wrote);
  }
}

}  // namespace hog
