// parseImage over anything: the first 1,024 bytes of the input are the header, the rest is the manifest. The CRC is
// made right first, or no input would ever get behind it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "image/image.hpp"
#include "sys/hash.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t headerSize = 1024, crcAt = 1020, fileSizeAt = 24;
  std::string header(reinterpret_cast<const char*>(data), size < headerSize ? size : headerSize);
  const std::string manifest(reinterpret_cast<const char*>(data) + header.size(), size - header.size());
  std::uint64_t fileSize = size;
  if (header.size() == headerSize) {
    const std::uint32_t crc = lightv::crc32c(std::string_view(header).substr(0, crcAt));
    std::memcpy(header.data() + crcAt, &crc, sizeof crc);
    std::memcpy(&fileSize, header.data() + fileSizeAt, sizeof fileSize);
  }
  const lightv::Result<lightv::ImageInfo> info = lightv::parseImage(header, manifest, fileSize);
  if (!info) {
    if (info.error().message().empty()) std::abort();
    return 0;
  }
  // What is accepted keeps its promises.
  const bool inside = info->erofsSize <= fileSize && info->chunkTableOffset <= fileSize &&
                      info->chunkTableSize <= fileSize - info->chunkTableOffset &&
                      info->chunkTableOffset >= info->erofsSize && info->chunkTableSize == info->chunkCount * 48;
  if (!inside || info->name.empty() || !lightv::isDigestText(info->digest) || info->manifestJson != manifest) {
    std::abort();
  }
  return 0;
}
