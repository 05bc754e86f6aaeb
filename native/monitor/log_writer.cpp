#include "monitor/log_writer.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace lightv {
namespace {

constexpr std::size_t kBatchBytes = 8U << 10;
constexpr std::size_t kPrefixBytes = kTimeLength + sizeof " stdout F ";

/** Gives memory back that one long line took: there are thousands of monitors. */
void clearSmall(std::string& text) {
  if (text.capacity() > 1024) {
    std::string().swap(text);
  } else {
    text.clear();
  }
}

}  // namespace

Status LogWriter::open() {
  if (!options_.enabled) return {};
  Status opened = files_.open();
  usable_ = opened.ok();
  nextLine_ = files_.nextLine();
  return opened;
}

void LogWriter::write(Stream stream, std::string_view data) {
  if (!options_.enabled) return;
  formatTime(wallNow(), now_);
  std::string& pending = pending_[static_cast<std::size_t>(stream)];
  while (!data.empty()) {
    const std::size_t newline = data.find('\n');
    const std::size_t length = newline == std::string_view::npos ? data.size() : newline;
    const std::size_t room = kMaxText - pending.size();
    if (length > room || (length == room && newline == std::string_view::npos)) {
      pending.append(data.substr(0, room));
      line(stream, 'P', pending);
      clearSmall(pending);
      data.remove_prefix(room);
      continue;
    }
    if (newline == std::string_view::npos) {
      pending.append(data);
      break;
    }
    if (pending.empty()) {
      line(stream, 'F', data.substr(0, length));
    } else {
      pending.append(data.substr(0, length));
      line(stream, 'F', pending);
      clearSmall(pending);
    }
    data.remove_prefix(length + 1);
  }
  flush();
}

void LogWriter::end(Stream stream) {
  std::string& pending = pending_[static_cast<std::size_t>(stream)];
  if (pending.empty() && tooFast_.lines == 0) return;
  formatTime(wallNow(), now_);
  if (!pending.empty()) line(stream, 'P', pending);
  // Nobody may come who gives it another occasion; it is one line.
  tellTooFast();
  flush();
  clearSmall(pending);
}

/** One line of the workload, when the rate has room for it. */
void LogWriter::line(Stream stream, char tag, std::string_view text) {
  const std::size_t bytes = text.size() + kPrefixBytes + 1;
  if (!rate_.take(bytes, monotonicUs())) {
    for (LogDrops* drops : {&tooFast_, &drops_}) {
      drops->lines++;
      drops->bytes += bytes;
    }
    return;
  }
  tellTooFast();
  put(stream, tag, text);
}

void LogWriter::tellTooFast() {
  if (tooFast_.lines == 0) return;
  char text[160];
  const int length =
      snprintf(text, sizeof text, "[lightv] %llu log lines (%llu bytes) were dropped: more than %llu bytes a second",
               static_cast<unsigned long long>(tooFast_.lines), static_cast<unsigned long long>(tooFast_.bytes),
               static_cast<unsigned long long>(options_.rateBytes));
  tooFast_ = {};
  put(Stream::err, 'F', {text, static_cast<std::size_t>(length)});
}

void LogWriter::settle() {
  if (owesAtUs() == 0 || monotonicUs() < owesAtUs()) return;
  formatTime(wallNow(), now_);
  tellTooFast();
  flush();
}

void LogWriter::change(const LogOptions& options) {
  options_ = options;
  rate_.change(options, monotonicUs());
  files_.keep(options.maxFiles);
}

/** Puts a line into the batch; a long one goes to the disk at once. */
void LogWriter::put(Stream stream, char tag, std::string_view text) {
  char prefix[kPrefixBytes + 1];
  const int length =
      snprintf(prefix, sizeof prefix, "%s %s %c ", now_, stream == Stream::out ? "stdout" : "stderr", tag);
  const std::string_view head(prefix, static_cast<std::size_t>(length));
  reserve(head.size() + text.size() + 1);
  batch_.append(head).append(text).push_back('\n');
  batchLines_++;
}

/** Makes room for a line in the batch and in the file; rotates before a line that would make it too large. */
void LogWriter::reserve(std::size_t bytes) {
  if (batch_.size() + bytes > kBatchBytes) flush();
  const std::uint64_t after = files_.size() + batch_.size() + bytes;
  if (!usable_ || after <= options_.maxSizeBytes || files_.size() + batch_.size() == 0) return;
  flush();
  if (files_.size() == 0) return;
  // A file that can't be rotated must not grow: the lines are dropped until it can.
  usable_ = files_.rotate(nextLine_).ok();
}

void LogWriter::flush() {
  if (batch_.empty()) return;
  if (!usable_) {
    // Opening again is cheap next to losing lines: it takes a few calls that fail.
    usable_ = files_.current() >= 0 ? files_.size() == 0 || files_.rotate(nextLine_).ok() : files_.open().ok();
    if (usable_ && nextLine_ < files_.nextLine()) nextLine_ = files_.nextLine();
  }
  if (usable_ && tellDropped() && append(batch_, {})) {
    nextLine_ += batchLines_;
  } else {
    dropped_ += batchLines_;
    drops_.lines += batchLines_;
    drops_.bytes += batch_.size();
  }
  batchLines_ = 0;
  clearSmall(batch_);
}

/** After a loss, and when there is room again: a line that tells of it. False: there is no room yet. */
bool LogWriter::tellDropped() {
  if (dropped_ == 0) return true;
  char text[160];
  const int length =
      snprintf(text, sizeof text, "%s stderr F [lightv] %llu log lines were dropped: the disk was full\n", now_,
               static_cast<unsigned long long>(dropped_));
  // Together with the line that follows, or not at all: a message that alone fits would come again and again.
  if (!append({text, static_cast<std::size_t>(length)}, batch_)) return false;
  nextLine_ += 1 + batchLines_;
  dropped_ = 0;
  batchLines_ = 0;
  batch_.clear();
  return true;
}

/** Both texts or nothing. */
bool LogWriter::append(std::string_view first, std::string_view second) {
  if (first.empty() && second.empty()) return true;
  const iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                          {const_cast<char*>(second.data()), second.size()}};
  ssize_t written = 0;
  do {
    written = writev(files_.current(), parts, 2);
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(first.size() + second.size())) {
    files_.grown(static_cast<std::uint64_t>(written));
    return true;
  }
  // ENOSPC in the middle: a half line would be glued to the next one.
  if (written > 0 && ftruncate(files_.current(), static_cast<off_t>(files_.size())) != 0) usable_ = false;
  return false;
}

}  // namespace lightv
