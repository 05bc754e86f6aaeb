#include "slots/tree.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMaxReleaseBytes = 64U << 10;

bool isFile(const std::string& path, int access) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
         ::access(path.c_str(), access) == 0;
}

}  // namespace

const char* ownArchitecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "unknown";
#endif
}

Result<Release> readRelease(const std::string& tree) {
  const std::string path = tree + "/lib/lightv/release.json";
  const Result<std::string> text = readFile(path, kMaxReleaseBytes);
  if (!text) return text.error();
  Result<JsonReader> reader = JsonReader::parse(*text, path);
  if (!reader) return reader.error();
  Release release;
  reader->require("version");
  reader->text("version", release.version);
  reader->text("architecture", release.architecture);
  for (const std::string& key : reader->keys()) reader->ignore(key.c_str());
  if (Status status = reader->finish(); !status) return status.error();
  return release;
}

std::optional<std::string> flawOfTree(const std::string& tree) {
  const Result<Release> release = readRelease(tree);
  if (!release) return release.error().message();
  if (release->architecture != ownArchitecture())
    return "it is for " + release->architecture + ", and this device is " + ownArchitecture();
  for (const char* part : {"/bin/lightvd", "/bin/lightv", "/lib/lightv/node"}) {
    if (!isFile(tree + part, X_OK)) return tree + part + " is missing, or can't be executed";
  }
  for (const char* part : {"/lib/lightv/lightvd.mjs", "/lib/lightv/lightv.node"}) {
    if (!isFile(tree + part, R_OK)) return tree + part + " is missing";
  }
  return std::nullopt;
}

}  // namespace lightv
