#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "image/bytes.hpp"
#include "image/header.hpp"
#include "image/image.hpp"
#include "sys/hash.hpp"

namespace lightv {
namespace {

constexpr std::size_t kBufferBytes = 256U << 10;

struct Chunk {
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  Sha256Digest digest{};
};

/** One pass over an image with two buffers, whatever its size. */
class Verifier {
 public:
  Verifier(int fd, const Header& header, Progress progress, void* context)
      : fd_(fd), header_(header), progress_(progress), context_(context) {}

  Status checkTableDigest(const std::string& wanted) {
    Sha256 hash;
    const Section& table = header_.chunks;
    Status read = stream(table.offset, table.length, "chunk table", [&](std::string_view piece) {
      hash.update(piece.data(), piece.size());
      return true;
    });
    if (!read) return read;
    return digestText(hash.finish()) == wanted ? Status() : imageError("chunk table: SHA-256 does not match manifest");
  }

  Status checkChunks() {
    const std::uint64_t count = header_.chunks.length / kChunkEntrySize;
    std::uint64_t next = kHeaderSize;
    for (std::uint64_t i = 0; i < count; i++) {
      Result<Chunk> chunk = readEntry(i);
      if (!chunk) return chunk.error();
      if (Status fits = checkPlace(*chunk, i, next); !fits) return fits;
      if (Status content = checkContent(*chunk, i); !content) return content;
      next += chunk->length;
    }
    return next == header_.erofs.length ? Status() : imageError("chunk table: ends before the file system does");
  }

  // Bytes that no digest binds must be zero, or one digest would have many files.
  Status checkPadding() {
    std::uint64_t next = header_.erofs.length;
    for (const Section& section : header_.sections) {
      if (section.offset == 0) continue;
      if (Status zero = checkZero(next, section.offset - next); !zero) return zero;
      next = section.end();
    }
    return checkZero(next, header_.fileSize - next);
  }

 private:
  template <class Visit>
  Status stream(std::uint64_t offset, std::uint64_t length, const char* what, Visit visit) {
    while (length > 0) {
      const std::size_t piece = std::min<std::uint64_t>(length, kBufferBytes);
      if (Status read = readExactly(fd_, buffer_.get(), piece, offset, what); !read) return read;
      if (!visit(std::string_view(buffer_.get(), piece))) return Error{"verify image", ECANCELED, what};
      offset += piece;
      length -= piece;
    }
    return {};
  }

  Result<Chunk> readEntry(std::uint64_t index) {
    constexpr std::uint64_t entriesAtOnce = 256;
    const std::uint64_t inPage = index % entriesAtOnce;
    if (inPage == 0) {
      entries_.resize(std::min(entriesAtOnce * kChunkEntrySize, header_.chunks.length - index * kChunkEntrySize));
      const std::uint64_t offset = header_.chunks.offset + index * kChunkEntrySize;
      Status read = readExactly(fd_, entries_.data(), entries_.size(), offset, "chunk table");
      if (!read) return read.error();
    }
    const std::string_view entry = std::string_view(entries_).substr(inPage * kChunkEntrySize, kChunkEntrySize);
    if (loadLe<std::uint32_t>(entry, 12) != 0) return chunkError(index, "reserved bytes are not zero");
    Chunk chunk{loadLe<std::uint64_t>(entry, 0), loadLe<std::uint32_t>(entry, 8), {}};
    std::copy_n(entry.begin() + 16, chunk.digest.size(), chunk.digest.begin());
    return chunk;
  }

  static Error chunkError(std::uint64_t index, const std::string& what) {
    return imageError("chunk " + std::to_string(index) + ": " + what);
  }

  [[nodiscard]] Status checkPlace(const Chunk& chunk, std::uint64_t index, std::uint64_t next) const {
    if (chunk.length < 1 || chunk.length > kMaxChunkBytes) return chunkError(index, "length is not 1 to 1048576");
    if (chunk.offset != next) {
      return chunkError(index, "starts at " + std::to_string(chunk.offset) + ", not at " + std::to_string(next));
    }
    if (!isInside(chunk.offset, chunk.length, header_.erofs.length)) {
      return chunkError(index, "goes beyond the file system");
    }
    return {};
  }

  Status checkContent(const Chunk& chunk, std::uint64_t index) {
    Sha256 hash;
    std::uint64_t done = chunk.offset - kHeaderSize;
    Status read = stream(chunk.offset, chunk.length, "chunk", [&](std::string_view piece) {
      hash.update(piece.data(), piece.size());
      done += piece.size();
      return progress_ == nullptr || progress_(context_, done, header_.erofs.length - kHeaderSize);
    });
    if (!read) return read;
    if (hash.finish() == chunk.digest) return {};
    return chunkError(index, "SHA-256 of bytes " + std::to_string(chunk.offset) + " to " +
                                 std::to_string(chunk.offset + chunk.length - 1) + " does not match");
  }

  Status checkZero(std::uint64_t offset, std::uint64_t length) {
    bool zero = true;
    Status read = stream(offset, length, "padding", [&](std::string_view piece) {
      zero = zero && piece.find_first_not_of('\0') == std::string_view::npos;
      return true;
    });
    if (!read) return read;
    return zero ? Status() : imageError("bytes between sections, from " + std::to_string(offset) + ", are not zero");
  }

  int fd_;
  const Header& header_;
  Progress progress_;
  void* context_;
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(kBufferBytes);
  std::string entries_;
};

}  // namespace

Result<ImageInfo> verifyImage(int fd, Progress progress, void* context) {
  const Result<Header> header = readHeader(fd);
  if (!header) return header.error();
  Result<ImageInfo> info = readImage(fd);
  if (!info) return info;
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  Verifier verifier(fd, *header, progress, context);
  if (Status table = verifier.checkTableDigest(info->chunkTableDigest); !table) return table.error();
  if (Status chunks = verifier.checkChunks(); !chunks) return chunks.error();
  if (Status padding = verifier.checkPadding(); !padding) return padding.error();
  return info;
}

}  // namespace lightv
