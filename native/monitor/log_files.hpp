// The files of a log: `log`, `log.1` (the one before), … and `index`, which numbers their lines (docs/sandbox.md,
// "Log").
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** One row of the index: the file with this inode begins with the line of this number. */
struct LogIndexRow {
  ino_t inode = 0;
  std::uint64_t firstLine = 0;
};
std::string formatLogIndex(const std::vector<LogIndexRow>& rows);
/** Lines that are not "<inode> <number>" are skipped. Newest file first. */
std::vector<LogIndexRow> parseLogIndex(const std::string& text);

/** Opens, measures and rotates. The current file is append-only and ends at a line's end. */
class LogFiles {
 public:
  /** `maxFiles` counts the current one; at least 1. */
  LogFiles(std::string directory, std::uint32_t maxFiles) : directory_(std::move(directory)), maxFiles_(maxFiles) {}

  /** Opens the current file or begins the first; cuts a line that a crash left half-written; counts the lines so far.
   */
  [[nodiscard]] Status open();
  /** Puts an empty file in the current one's place; the oldest goes. A failure leaves the current file in use. */
  [[nodiscard]] Status rotate(std::uint64_t nextLine);

  /** So many files from now on, at least 1; what is over goes at once. */
  void keep(std::uint32_t maxFiles);
  /** Its directory has got another name. */
  void moved(std::string directory) { directory_ = std::move(directory); }

  [[nodiscard]] int current() const { return current_.get(); }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void grown(std::uint64_t bytes) { size_ += bytes; }
  /** Number of the line that comes next, counted from the sandbox's first line, which is 0. */
  [[nodiscard]] std::uint64_t nextLine() const { return nextLine_; }

 private:
  [[nodiscard]] std::string path(std::uint32_t generation) const;
  [[nodiscard]] Status begin(std::uint64_t firstLine);
  [[nodiscard]] Status measure();
  void removeSurplus() const;

  std::string directory_;
  std::uint32_t maxFiles_;
  Fd current_;
  std::uint64_t size_ = 0;
  std::uint64_t nextLine_ = 0;
  std::vector<LogIndexRow> rows_;
};

}  // namespace lightv
