#include <fcntl.h>
#include <sys/stat.h>

#include "image/bytes.hpp"
#include "image/header.hpp"
#include "image/image.hpp"
#include "sys/file.hpp"

namespace lightv {

Result<Header> readHeader(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) < 0) return Error{"stat image", errno, "descriptor " + std::to_string(fd)};
  if (!S_ISREG(info.st_mode)) return imageError("is not a regular file");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size < kHeaderSize) return imageError("header: the file has only " + std::to_string(size) + " bytes");
  char bytes[kHeaderSize];
  if (Status read = readExactly(fd, bytes, sizeof bytes, 0, "header"); !read) return read.error();
  return parseHeader(std::string_view(bytes, sizeof bytes), size);
}

Result<ImageInfo> readImage(int fd) {
  const Result<Header> header = readHeader(fd);
  if (!header) return header.error();
  std::string manifest(header->manifest.length, '\0');  // at most 1 MiB, and inside the file
  Status read = readExactly(fd, manifest.data(), manifest.size(), header->manifest.offset, "manifest");
  if (!read) return read.error();
  return parseManifest(manifest, *header);
}

Result<ImageInfo> readImageFile(const std::string& path) {
  // O_NONBLOCK: a FIFO with that name must not make us wait for a writer.
  const Result<Fd> fd = openFile(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  Result<ImageInfo> info = readImage(fd->get());
  if (info) return info;
  Error error = info.error();
  error.detail = path + ": " + error.detail;
  return error;
}

Result<ImageInfo> parseImage(std::string_view header, std::string_view manifest, std::uint64_t fileSize) {
  const Result<Header> parsed = parseHeader(header, fileSize);
  if (!parsed) return parsed.error();
  return parseManifest(manifest, *parsed);
}

}  // namespace lightv
