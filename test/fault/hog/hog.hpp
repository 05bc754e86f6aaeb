// A program that takes all it can get of one thing, and the good neighbour beside it (test/fault/hogs.test.ts).
#pragma once

#include <cstdint>

namespace hog {

/** Each takes for ever, and counts in `Tally`: what it got, and how often it was refused. They return only on a usage
 * error. */
int processes();
int memory();
int tmpfs(const char* directory);
int pageCache(const char* directory);
int disk(const char* directory);
int inodes(const char* directory);
int log();
int descriptors();
int processor();
int syncs(const char* directory);

/** The neighbour: answers each byte on a socket with one, after a write to a file of its own. */
int serve(const char* socketPath, const char* file);
/** Its customer: asks `count` times, every `pauseUs`; prints the answer times in microseconds, one a line. */
int ask(const char* socketPath, unsigned count, unsigned pauseUs);

/** In a file that all processes of a hog map, and the test reads. */
struct Tally {
  std::uint64_t got;      // processes, bytes, files, descriptors, rounds: the most at once
  std::uint64_t total;    // all of them ever
  std::uint64_t refused;  // how often the kernel said no
};

/** Maps the tally's file; nullptr where it can't. */
Tally* openTally(const char* path);
extern Tally* tally;

}  // namespace hog
