// The EROFS reader over anything. The input is a sparse image: records of "block number, 4,096 bytes", so that a small
// input can reach far and the mutator has few bytes to look at. The visitor checks what the unpacker relies on.
#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "image/erofs.hpp"

namespace {

class MemorySource : public lightv::ErofsSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  lightv::Status read(std::uint64_t offset, void* buffer, std::size_t size) override {
    if (offset > bytes_.size() || size > bytes_.size() - offset) std::abort();  // the reader promised to stay inside
    std::memcpy(buffer, bytes_.data() + offset, size);
    return {};
  }

 private:
  std::string_view bytes_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

class CheckingVisitor : public lightv::ErofsVisitor {
 public:
  explicit CheckingVisitor(std::uint64_t imageSize) : imageSize_(imageSize) {}

  lightv::Status beginDirectory(std::string_view name, const lightv::ErofsNode& node) override {
    require(S_ISDIR(node.mode) && name.empty() == (depth_ == 0));
    if (depth_ > 0) checkName(name);
    require(++depth_ <= lightv::kMaxErofsDepth + 1);
    return {};
  }
  lightv::Status endDirectory(const lightv::ErofsNode&) override {
    require(depth_-- > 0);
    return {};
  }
  lightv::Status beginFile(std::string_view name, const lightv::ErofsNode& node) override {
    checkName(name);
    require(S_ISREG(node.mode));
    fileBytes_ = 0;
    return {};
  }
  lightv::Status fileData(std::string_view piece) override {
    fileBytes_ += piece.size();
    total_ += piece.size();
    require(total_ <= 9 * imageSize_);
    return {};
  }
  lightv::Status endFile(const lightv::ErofsNode& node) override {
    require(fileBytes_ == node.size);
    return {};
  }
  lightv::Status symbolicLink(std::string_view name, const lightv::ErofsNode& node,
                              const std::string& target) override {
    checkName(name);
    require(S_ISLNK(node.mode) && !target.empty() && target.size() < 4096 && target.find('\0') == std::string::npos);
    return {};
  }
  lightv::Status special(std::string_view name, const lightv::ErofsNode& node) override {
    checkName(name);
    require(!S_ISREG(node.mode) && !S_ISDIR(node.mode) && !S_ISLNK(node.mode));
    return {};
  }
  lightv::Status hardLink(std::string_view name, const lightv::ErofsNode& node) override {
    checkName(name);
    require(!S_ISDIR(node.mode));
    return {};
  }

 private:
  static void checkName(std::string_view name) {
    require(!name.empty() && name.size() <= 255 && name != "." && name != "..");
    require(name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos);
  }

  std::uint64_t imageSize_, fileBytes_ = 0, total_ = 0;
  unsigned depth_ = 0;
};

constexpr std::size_t kBlock = 4096, kMaxBlocks = 64;

std::string expand(const std::uint8_t* data, std::size_t size) {
  std::string image;
  for (; size > 1; data += 1 + kBlock, size -= 1 + kBlock) {
    const std::size_t block = data[0] % kMaxBlocks, length = size - 1 < kBlock ? size - 1 : kBlock;
    if (image.size() < (block + 1) * kBlock) image.resize((block + 1) * kBlock);
    std::memcpy(image.data() + block * kBlock, data + 1, length);
    if (length < kBlock) break;
  }
  return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string image = expand(data, size);
  MemorySource source(image);
  CheckingVisitor visitor(image.size());
  const lightv::Status walked = lightv::walkErofs(source, image.size(), visitor);
  if (!walked && walked.error().message().empty()) std::abort();
  return 0;
}
