// A sandbox's output as lines in CRI log format (kubernetes/cri-api, "CRI logging format"):
//     <RFC 3339 with nanoseconds> stdout|stderr F|P <text>
// P: the text goes on in the stream's next line (pieces of lines over 16 KiB, and a last line without its end).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/spec.hpp"
#include "monitor/log_files.hpp"
#include "monitor/log_rate.hpp"
#include "sys/time.hpp"

namespace lightv {

enum class Stream { out = 0, err = 1 };

class LogWriter {
 public:
  /** Longest text of one line. */
  static constexpr std::size_t kMaxText = 16U << 10;

  LogWriter(std::string directory, LogOptions options)
      : options_(options), files_(std::move(directory), options.maxFiles), rate_(options) {}

  /** Fails when the directory can't be used; writing then drops and counts, as on a full disk. */
  [[nodiscard]] Status open();
  /** Takes whatever bytes came. Never fails and never waits: what the disk does not take is dropped and counted. */
  void write(Stream stream, std::string_view data);
  /** The stream has ended: what is left of its last line is written. */
  void end(Stream stream);
  /** Writes what is owed: that lines were dropped, once there is room for it again. Call it at owesAtUs(). */
  void settle();
  /** When settle() has something to do, in microseconds of the monotonic clock; 0: never. */
  [[nodiscard]] std::uint64_t owesAtUs() const { return tooFast_.lines == 0 ? 0 : rate_.opensAtUs(); }
  /** Other bounds from the next line on; files that are too many go. */
  void change(const LogOptions& options);

  /** Its directory has got another name. */
  void moved(std::string directory) { files_.moved(std::move(directory)); }

  [[nodiscard]] std::uint64_t lines() const { return nextLine_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  /** All that was lost, for whatever reason. */
  [[nodiscard]] const LogDrops& drops() const { return drops_; }
  /** More comes than may be written. */
  [[nodiscard]] bool isFlooded() const { return options_.enabled && rate_.isClosed(); }

 private:
  void line(Stream stream, char tag, std::string_view text);
  void put(Stream stream, char tag, std::string_view text);
  void tellTooFast();
  void reserve(std::size_t bytes);
  bool tellDropped();
  void flush();
  bool append(std::string_view first, std::string_view second);

  LogOptions options_;
  LogFiles files_;
  LogRate rate_;
  LogDrops tooFast_;  // since the last line that told so
  LogDrops drops_;
  bool usable_ = false;
  std::uint64_t nextLine_ = 0;
  std::uint64_t dropped_ = 0;           // since the last line that told so
  std::array<std::string, 2> pending_;  // the begun line of each stream
  std::string batch_;                   // whole lines that are not on the disk yet
  std::uint64_t batchLines_ = 0;
  char now_[kTimeLength + 1] = {};
};

}  // namespace lightv
