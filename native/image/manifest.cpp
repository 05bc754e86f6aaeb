#include <algorithm>
#include <limits>

#include "image/header.hpp"
#include "sys/hash.hpp"
#include "sys/json.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMaxNameBytes = 512;
constexpr std::uint64_t kMaxNumber = std::numeric_limits<std::int64_t>::max();

// Names go to terminals and logs: no escape sequences in them.
bool isPrintable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7F; });
}

bool isWord(const std::string& text) {
  return !text.empty() && text.size() <= 32 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

// OCI configurations grow new keys, and builders add their own: what we don't use is not our business.
void ignoreOthers(JsonReader& reader) {
  for (const std::string& key : reader.keys()) reader.ignore(key.c_str());
}

// `{"80/tcp":{}}`: a set, as Go's JSON says it.
std::vector<std::string> readSet(JsonReader& parent, const char* key) {
  JsonReader set = parent.object(key);
  ignoreOthers(set);
  return set.keys();
}

ImageConfig::Healthcheck readHealthcheck(JsonReader& reader) {
  ImageConfig::Healthcheck check;
  ignoreOthers(reader);
  reader.texts("Test", check.test);
  reader.number("Interval", check.intervalNs, 0, kMaxNumber);
  reader.number("Timeout", check.timeoutNs, 0, kMaxNumber);
  reader.number("StartPeriod", check.startPeriodNs, 0, kMaxNumber);
  reader.number("Retries", check.retries, 0, std::numeric_limits<std::int32_t>::max());
  return check;
}

ImageConfig readConfig(JsonReader& reader) {
  ImageConfig config;
  ignoreOthers(reader);
  reader.texts("Entrypoint", config.entrypoint);
  reader.texts("Cmd", config.cmd);
  reader.texts("Env", config.env);
  reader.text("WorkingDir", config.workingDir);
  reader.text("User", config.user);
  reader.text("StopSignal", config.stopSignal);
  reader.textMap("Labels", config.labels);
  config.exposedPorts = readSet(reader, "ExposedPorts");
  config.volumes = readSet(reader, "Volumes");
  if (JsonReader check = reader.object("Healthcheck"); check.present()) config.healthcheck = readHealthcheck(check);
  return config;
}

void readIdentity(JsonReader& reader, ImageInfo& info) {
  std::uint32_t schemaVersion = 1;
  for (const char* key : {"schemaVersion", "name", "os", "architecture", "created", "config", "erofs", "chunks"}) {
    reader.require(key);
  }
  reader.number("schemaVersion", schemaVersion, 1, 1);
  reader.text("name", info.name);
  if (info.name.empty() || info.name.size() > kMaxNameBytes || !isPrintable(info.name)) {
    reader.fail("name", "must be 1 to 512 printable characters");
  }
  reader.text("os", info.os);
  if (info.os != "linux") reader.fail("os", "must be linux");
  reader.text("architecture", info.architecture);
  if (!isWord(info.architecture)) reader.fail("architecture", "must be a word such as amd64 or arm64");
  reader.text("created", info.created);
  if (!parseTime(info.created)) reader.fail("created", "must be a time such as 2026-01-02T03:04:05Z");
}

void readSections(JsonReader& reader, const Header& header, ImageInfo& info) {
  std::uint64_t blockSize = kImageBlock, count = 0;
  JsonReader erofs = reader.object("erofs");
  erofs.require("blockSize");
  erofs.number("blockSize", blockSize, kImageBlock, kImageBlock);
  erofs.require("size");
  erofs.number("size", info.erofsSize, 0, kMaxNumber);
  if (info.erofsSize != header.erofs.length) erofs.fail("size", "is not the EROFS section's length");

  JsonReader chunks = reader.object("chunks");
  chunks.require("count");
  chunks.number("count", count, 0, kMaxNumber);
  chunks.require("size");
  chunks.number("size", info.chunkTableSize, 0, kMaxNumber);
  if (info.chunkTableSize != header.chunks.length) chunks.fail("size", "is not the chunk table section's length");
  if (count != header.chunks.length / kChunkEntrySize) chunks.fail("count", "is not the number of table entries");
  chunks.text("digest", info.chunkTableDigest);
  if (!isDigestText(info.chunkTableDigest)) chunks.fail("digest", "must be sha256: and 64 hexadecimal digits");
  info.chunkCount = count;
}

}  // namespace

Result<ImageInfo> parseManifest(std::string_view bytes, const Header& header) {
  if (bytes.size() != header.manifest.length) return imageError("manifest: is cut short");
  Result<JsonReader> reader = JsonReader::parse(bytes, "manifest");
  if (!reader) return imageError(reader.error().op + ": " + reader.error().detail);
  ImageInfo info;
  readIdentity(*reader, info);
  JsonReader config = reader->object("config");
  info.config = readConfig(config);
  JsonReader budget = reader->object("budget");
  budget.number("memory", info.budgetMemory, std::uint64_t{1}, kMaxNumber);
  budget.number("cpus", info.budgetCpusMilli, std::uint64_t{1}, kMaxNumber);
  budget.number("pids", info.budgetPids, std::uint64_t{1}, kMaxNumber);
  readSections(*reader, header, info);
  if (Status read = reader->finish(); !read) return imageError(read.error().op + ": " + read.error().detail);
  if (!isCanonicalJson(bytes)) {
    return imageError("manifest: is not canonical JSON (sorted keys, no white space, whole numbers)");
  }
  info.digest = digestText(sha256(bytes));
  info.fileSize = header.fileSize;
  info.chunkTableOffset = header.chunks.offset;
  info.manifestJson = bytes;
  return info;
}

}  // namespace lightv
