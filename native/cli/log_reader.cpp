#include "cli/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/file.hpp"

namespace lightv::cli {

bool parseLogLine(std::string_view line, LogLine& out) {
  const std::size_t stream = line.find(' ');
  if (stream == std::string_view::npos) return false;
  out.time = line.substr(0, stream);
  line.remove_prefix(stream + 1);
  // "stdout F text": the names have the same length
  constexpr std::size_t nameLength = 6, textAt = 9;
  const std::string_view name = line.substr(0, nameLength);
  if (line.size() < textAt - 1 || (name != "stdout" && name != "stderr") || line[nameLength] != ' ') return false;
  out.isError = name == "stderr";
  out.isPartial = line[nameLength + 1] == 'P';
  out.text = line.size() < textAt ? std::string_view() : line.substr(textAt);
  return true;
}

std::string LogReader::path(unsigned generation) const {
  return directory_ + "/log" + (generation == 0 ? "" : "." + std::to_string(generation));
}

Result<LogReader::File> LogReader::openGeneration(unsigned generation) const {
  Result<Fd> fd = openFile(path(generation), O_RDONLY);
  if (!fd) return fd.error();
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return Error{"stat", errno, path(generation)};
  return File{std::move(*fd), status.st_ino};
}

Status LogReader::open() {
  // Newest first: a rotation meanwhile can only show us a file twice, never hide one.
  for (unsigned generation = 0;; ++generation) {
    Result<File> file = openGeneration(generation);
    if (!file && file.error().err != ENOENT) return file.error();
    if (!file && generation == 0) continue;  // just being rotated: log.1 may be there
    if (!file) break;
    const bool seen = !files_.empty() && files_.front().inode == file->inode;
    if (!seen) files_.insert(files_.begin(), std::move(*file));
  }
  return {};
}

Status LogReader::drain(const File& file, const Take& take) {
  constexpr std::size_t chunkSize = 64U << 10;
  std::string chunk(chunkSize, '\0');
  for (;;) {
    const ssize_t got = ::read(file.fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{"read the log", errno, directory_};
    if (got == 0) return {};
    carry_.append(chunk.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = carry_.find('\n'); end != std::string::npos; end = carry_.find('\n', begin)) {
      LogLine line;
      if (parseLogLine(std::string_view(carry_).substr(begin, end - begin), line)) take(line);
      begin = end + 1;
    }
    carry_.erase(0, begin);
  }
}

Result<bool> LogReader::openNext() {
  const ino_t current = files_.empty() ? 0 : files_.back().inode;
  std::vector<File> newer;
  for (unsigned generation = 0;; ++generation) {
    Result<File> file = openGeneration(generation);
    if (!file && file.error().err != ENOENT) return file.error();
    if (!file && generation == 0) continue;
    // Ours, or the end: when ours has been removed already, all that is left is newer.
    if (!file || file->inode == current) break;
    if (newer.empty() || newer.back().inode != file->inode) newer.push_back(std::move(*file));
  }
  if (newer.empty()) return false;
  std::reverse(newer.begin(), newer.end());
  files_.insert(files_.end(), std::make_move_iterator(newer.begin()), std::make_move_iterator(newer.end()));
  return true;
}

Status LogReader::read(const Take& take) {
  for (;;) {
    for (const File& file : files_) {
      if (Status status = drain(file, take); !status) return status;
    }
    const Result<bool> more = openNext();
    if (!more) return more.error();
    if (!*more) break;
    // The last file may have grown between our reading it to the end and its rotation: the next round reads it again.
  }
  if (files_.size() > 1) files_.erase(files_.begin(), files_.end() - 1);
  return {};
}

}  // namespace lightv::cli
