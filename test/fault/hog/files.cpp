// Hogs of file systems: bytes, inodes, cached pages, writes that must reach the disk.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "hog.hpp"

namespace hog {
namespace {

constexpr std::size_t kPiece = 256U << 10;
char piece[kPiece];

std::string below(const char* directory, const char* name) {
  return std::string(directory) + "/" + name;
}

void most(std::uint64_t now) {
  if (now > tally->got) tally->got = now;
}

/** Fills one file until it is refused, then begins anew: space that is given back is taken again. */
int fill(const char* directory) {
  const std::string path = below(directory, "ballast");
  std::memset(piece, 'x', sizeof piece);
  for (;;) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return std::perror(path.c_str()), 1;
    ssize_t wrote = 0;
    for (std::uint64_t have = 0; (wrote = write(fd, piece, sizeof piece)) > 0;) {
      have += static_cast<std::uint64_t>(wrote);
      tally->total += static_cast<std::uint64_t>(wrote);
      most(have);
    }
    // What is not on the disk yet may be refused there.
    if (errno == ENOSPC || errno == EDQUOT) tally->refused++;
    (void)fsync(fd);
    close(fd);
    (void)usleep(50'000);
  }
}

}  // namespace

int tmpfs(const char* directory) {
  return fill(directory);
}

int disk(const char* directory) {
  return fill(directory);
}

/** Reads and writes more than fits, over and over: all of it wants to stay in the cache. */
int pageCache(const char* directory) {
  const std::string path = below(directory, "cached");
  std::memset(piece, 'x', sizeof piece);
  constexpr std::uint64_t size = 96U << 20;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return std::perror(path.c_str()), 1;
  for (;;) {
    for (std::uint64_t at = 0; at < size; at += kPiece) {
      const ssize_t wrote = pwrite(fd, piece, kPiece, static_cast<off_t>(at));
      if (wrote > 0) tally->total += static_cast<std::uint64_t>(wrote);
    }
    for (std::uint64_t at = 0; at < size; at += kPiece) {
      const ssize_t got = pread(fd, piece, kPiece, static_cast<off_t>(at));
      if (got > 0) tally->total += static_cast<std::uint64_t>(got);
    }
    most(size);
  }
}

/** Empty files, in directories of a thousand. */
int inodes(const char* directory) {
  for (std::uint64_t have = 0;;) {
    const std::string path = below(directory, ("d" + std::to_string(have / 1000)).c_str());
    (void)mkdir(path.c_str(), 0755);
    const std::string file = path + "/f" + std::to_string(have);
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0) {
      close(fd);
      most(++have);
      tally->total++;
    } else {
      tally->refused++;
      (void)usleep(1000);
    }
  }
}

int syncs(const char* directory) {
  const std::string path = below(directory, "synced");
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return std::perror(path.c_str()), 1;
  std::memset(piece, 'x', sizeof piece);
  for (std::uint64_t round = 0;; round++) {
    (void)!pwrite(fd, piece, 4096, static_cast<off_t>((round % 1024) * 4096));
    if (fsync(fd) == 0) tally->total++;
  }
}

}  // namespace hog
