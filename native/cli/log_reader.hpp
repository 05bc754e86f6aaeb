// Reads a sandbox's log files (CRI format, rotated): docs/sandbox.md.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv::cli {

/** One line of a log file, cut into its parts. */
struct LogLine {
  std::string_view time;   // RFC 3339
  bool isError = false;    // stderr
  bool isPartial = false;  // the text goes on in this stream's next line
  std::string_view text;   // without the newline
};

/** False for a line that is not in CRI format. */
bool parseLogLine(std::string_view line, LogLine& out);

class LogReader {
 public:
  using Take = std::function<void(const LogLine& line)>;

  explicit LogReader(std::string directory) : directory_(std::move(directory)) {}

  /** Opens all files, oldest first. A log without files is empty. */
  Status open();
  /** Hands on every whole line that was written since the last call, over any number of rotations. */
  Status read(const Take& take);

 private:
  struct File {
    Fd fd;
    ino_t inode = 0;
  };
  [[nodiscard]] std::string path(unsigned generation) const;
  Result<File> openGeneration(unsigned generation) const;
  Status drain(const File& file, const Take& take);
  Result<bool> openNext();

  std::string directory_;
  std::vector<File> files_;  // those not read to their end; the last one may still grow
  std::string carry_;        // a line that has only begun
};

}  // namespace lightv::cli
