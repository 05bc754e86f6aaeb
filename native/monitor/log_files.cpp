#include "monitor/log_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

/** Lines that end in the file, and the offset behind the last of them. */
Result<std::pair<std::uint64_t, off_t>> countLines(int fd, const std::string& name) {
  std::uint64_t lines = 0;
  off_t at = 0;
  off_t end = 0;
  char buffer[8192];
  while (true) {
    const ssize_t got = pread(fd, buffer, sizeof buffer, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{"read", errno, name};
    if (got == 0) return std::pair(lines, end);
    for (ssize_t i = 0; i < got; i++) {
      if (buffer[i] != '\n') continue;
      lines++;
      end = at + i + 1;
    }
    at += got;
  }
}

}  // namespace

std::string formatLogIndex(const std::vector<LogIndexRow>& rows) {
  std::string text;
  for (const LogIndexRow& row : rows) {
    text += std::to_string(row.inode) + ' ' + std::to_string(row.firstLine) + '\n';
  }
  return text;
}

std::vector<LogIndexRow> parseLogIndex(const std::string& text) {
  std::vector<LogIndexRow> rows;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    if (words.size() != 2) continue;
    const auto inode = parseInteger<ino_t>(words[0]);
    const auto first = parseInteger<std::uint64_t>(words[1]);
    if (inode && first) rows.push_back({*inode, *first});
  }
  return rows;
}

std::string LogFiles::path(std::uint32_t generation) const {
  return directory_ + (generation == 0 ? "/log" : "/log." + std::to_string(generation));
}

Status LogFiles::open() {
  if (Status made = makeDirs(directory_); !made) return made;
  if (const Result<std::string> index = readFile(directory_ + "/index")) rows_ = parseLogIndex(*index);
  removeSurplus();
  current_.reset(::open(path(0).c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (current_) return measure();
  if (errno != ENOENT) return Error{"open", errno, path(0)};
  return begin(0);
}

Status LogFiles::measure() {
  const auto counted = countLines(current_.get(), path(0));
  if (!counted) return counted.error();
  // A power cut may leave half a line, or zeros; the next line must not be glued to it.
  if (ftruncate(current_.get(), counted->second) != 0) return Error{"truncate", errno, path(0)};
  size_ = static_cast<std::uint64_t>(counted->second);
  struct stat stat {};
  if (fstat(current_.get(), &stat) != 0) return Error{"stat", errno, path(0)};
  nextLine_ = counted->first;
  for (const LogIndexRow& row : rows_) {
    if (row.inode != stat.st_ino) continue;
    nextLine_ += row.firstLine;
    break;
  }
  return {};
}

/**
 * The new file is made beside, entered into the index, and only then gets its name: whoever opens `log` finds its row.
 */
Status LogFiles::begin(std::uint64_t firstLine) {
  const std::string fresh = directory_ + "/log.new";
  unlink(fresh.c_str());
  Fd file(::open(fresh.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return Error{"create", errno, fresh};
  struct stat stat {};
  if (fstat(file.get(), &stat) != 0) return Error{"stat", errno, fresh};
  std::vector<LogIndexRow> rows{{stat.st_ino, firstLine}};
  for (const LogIndexRow& row : rows_) {
    if (row.inode != stat.st_ino && rows.size() < maxFiles_) rows.push_back(row);
  }
  // Numbers must not go back after a power cut. Of the first file they come right without an index too.
  const Durable durable = firstLine == 0 ? Durable::no : Durable::yes;
  Status written = writeFileAtomic(directory_ + "/index", formatLogIndex(rows), 0600, durable);
  if (!written) return written;
  // link and rename: at no moment is there no `log`. A file system without hard links gets such a moment.
  if (maxFiles_ > 1 && link(path(0).c_str(), path(1).c_str()) != 0 && errno != ENOENT) {
    if (rename(path(0).c_str(), path(1).c_str()) != 0) return Error{"rename", errno, path(0)};
  }
  if (rename(fresh.c_str(), path(0).c_str()) != 0) return Error{"rename", errno, fresh};
  rows_ = std::move(rows);
  current_ = std::move(file);
  size_ = 0;
  nextLine_ = firstLine;
  return {};
}

Status LogFiles::rotate(std::uint64_t nextLine) {
  if (maxFiles_ > 1) {
    unlink(path(maxFiles_ - 1).c_str());  // first, so that a full disk has room for the index
    for (std::uint32_t i = maxFiles_ - 1; i > 1; i--) {
      if (rename(path(i - 1).c_str(), path(i).c_str()) != 0 && errno != ENOENT) {
        return Error{"rename", errno, path(i - 1)};
      }
    }
  }
  return begin(nextLine);
}

void LogFiles::keep(std::uint32_t maxFiles) {
  maxFiles_ = maxFiles;
  removeSurplus();
}

/** What an earlier, larger `maxFiles` or a rotation cut short has left. */
void LogFiles::removeSurplus() const {
  const Result<std::vector<std::string>> names = listDir(directory_);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with("log.")) continue;
    const auto generation = parseInteger<std::uint32_t>(std::string_view(name).substr(4));
    if (!generation || *generation >= maxFiles_) unlink((directory_ + "/" + name).c_str());
  }
  struct stat now {};
  struct stat before {};
  const bool twice = stat(path(0).c_str(), &now) == 0 && stat(path(1).c_str(), &before) == 0 &&
                     now.st_ino == before.st_ino && now.st_dev == before.st_dev;
  if (twice) unlink(path(1).c_str());
}

}  // namespace lightv
