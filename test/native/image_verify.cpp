// Every byte of an image is bound to its digest.
#include <doctest/doctest.h>
#include <fcntl.h>

#include "image/image.hpp"
#include "lv_builder.hpp"

using namespace lightv;
using lvtest::LvParts;

namespace {

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 12345;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

LvParts noisyParts(std::uint32_t chunkSize = 10000) {
  lvtest::LvOptions options;
  options.chunkSize = chunkSize;
  return lvtest::makeParts(noise(40960), options);
}

Result<ImageInfo> verifyBytes(const std::string& bytes, Progress progress = nullptr, void* context = nullptr) {
  const lvtest::TempDir temp;
  REQUIRE(lvtest::writeBytes(temp.at("image.lv"), bytes));
  const Fd fd(::open(temp.at("image.lv").c_str(), O_RDONLY | O_CLOEXEC));
  return verifyImage(fd.get(), progress, context);
}

std::string verifyError(const std::string& bytes) {
  const Result<ImageInfo> info = verifyBytes(bytes);
  return info ? "accepted" : info.error().message();
}

// A table that lies, with a manifest that agrees with it.
std::string tableError(std::size_t entry, std::size_t offset, std::uint64_t value, unsigned size) {
  LvParts parts = noisyParts();
  std::memcpy(parts.chunkTable.data() + entry * 48 + offset, &value, size);
  parts.manifest = lvtest::makeManifest({}, parts.chunkTable, parts.erofs.size());
  lvtest::layOut(parts);
  return verifyError(parts.assemble());
}

void checkHas(const std::string& text, std::string_view part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("image verify: a right image passes, whatever the size of its chunks") {
  for (const std::uint32_t size : {1U << 20, 65536U, 10000U, 4096U, 97U}) {
    const Result<ImageInfo> info = verifyBytes(noisyParts(size).assemble());
    INFO("chunk size " << size);
    REQUIRE_MESSAGE(info.ok(), info.error().message());
    CHECK(info->chunkCount == (40960 - 1024 + size - 1) / size);
  }
}

TEST_CASE("image verify: a changed byte anywhere behind the header is found") {
  const LvParts parts = noisyParts();
  const std::string file = parts.assemble();
  std::vector<std::size_t> places = {1024, 11023, 11024, 40959, 40960, file.size() - 1};
  for (std::size_t at = 1024; at < file.size(); at += 211) places.push_back(at);
  for (const std::size_t at : places) {
    std::string broken = file;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    INFO("byte " << at);
    CHECK_FALSE(verifyBytes(broken).ok());
  }
}

TEST_CASE("image verify: the first bad chunk is named, with its place") {
  std::string file = noisyParts().assemble();
  file[1024 + 25000] = static_cast<char>(file[1024 + 25000] ^ 1);
  file[1024 + 35000] = static_cast<char>(file[1024 + 35000] ^ 1);
  checkHas(verifyError(file), "chunk 2: SHA-256 of bytes 21024 to 31023");
}

TEST_CASE("image verify: a table with gaps, overlaps or lengths out of range is refused") {
  checkHas(tableError(1, 0, 11025, 8), "chunk 1: starts at 11025, not at 11024");
  checkHas(tableError(1, 0, 11023, 8), "chunk 1: starts at");
  checkHas(tableError(0, 0, 0, 8), "chunk 0: starts at 0, not at 1024");
  checkHas(tableError(1, 0, ~0ULL, 8), "chunk 1: starts at");
  checkHas(tableError(0, 8, 0, 4), "length is not 1 to");
  checkHas(tableError(0, 8, (1 << 20) + 1, 4), "length is not 1 to");
  checkHas(tableError(0, 12, 1, 4), "reserved");
  checkHas(tableError(3, 8, 60000, 4), "goes beyond the file system");
  checkHas(tableError(3, 16, 0, 8), "chunk 3: SHA-256");
}

TEST_CASE("image verify: a table that ends early, or that the manifest does not know, is refused") {
  LvParts parts = noisyParts();
  parts.chunkTable.resize(parts.chunkTable.size() - 48);
  parts.manifest = lvtest::makeManifest({}, parts.chunkTable, parts.erofs.size());
  lvtest::layOut(parts);
  checkHas(verifyError(parts.assemble()), "ends before the file system does");

  parts = noisyParts();
  const std::size_t digest = parts.manifest.find("sha256:") + 7;
  parts.manifest[digest] = parts.manifest[digest] == '0' ? '1' : '0';
  checkHas(verifyError(parts.assemble()), "chunk table: SHA-256 does not match");
}

TEST_CASE("image verify: progress rises to the whole and can stop it") {
  struct Seen {
    std::uint64_t last = 0, total = 0;
    unsigned calls = 0;
    bool rising = true;
  } seen;
  const Progress watch = [](void* context, std::uint64_t done, std::uint64_t total) {
    auto& s = *static_cast<Seen*>(context);
    s.rising = s.rising && done > s.last;
    s.last = done;
    s.total = total;
    s.calls++;
    return true;
  };
  const std::string file = noisyParts().assemble();
  REQUIRE(verifyBytes(file, watch, &seen).ok());
  CHECK(seen.rising);
  CHECK(seen.calls >= 4);
  CHECK(seen.last == 40960 - 1024);
  CHECK(seen.total == 40960 - 1024);
  const Result<ImageInfo> stopped = verifyBytes(file, [](void*, std::uint64_t, std::uint64_t) { return false; });
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().err == ECANCELED);
}
