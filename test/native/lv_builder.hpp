// Makes `.lv` files at test time: the file system by mkfs.erofs, the rest here, from the bytes of docs/image-format.md
// and not by the code under test. Each part may be broken on purpose before it is put together.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sys/file.hpp"
#include "sys/hash.hpp"

namespace lvtest {

/** A directory of its own below TMPDIR, removed with all that is in it. */
class TempDir {
 public:
  TempDir() {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/lightv-test-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TempDir() {
    if (!path_.empty()) (void)lightv::removeTree(path_).ok();
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/** Runs a program with its output thrown away; its exit code, or -1. */
inline int runProgram(std::vector<std::string> args) {
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed != 0 || ::waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

/** The EROFS bytes of a directory's tree, in the layout of docs/image-format.md; empty when mkfs.erofs is missing or
 * failed. */
inline std::string makeErofs(const std::string& directory, const std::vector<std::string>& extraArgs = {}) {
  const TempDir temp;
  const std::string file = temp.at("fs.erofs");
  std::vector<std::string> args = {"mkfs.erofs", "-T1700000000", "-U", "00000000-0000-0000-0000-000000000000",
                                   "-Enoinline_data,force-inode-extended"};
  args.insert(args.end(), extraArgs.begin(), extraArgs.end());
  args.push_back(file);
  args.push_back(directory);
  if (runProgram(args) != 0) return {};
  lightv::Result<std::string> bytes = lightv::readFile(file, std::size_t{1} << 30);
  if (!bytes) return {};
  bytes->resize((bytes->size() + 4095) / 4096 * 4096);
  return *bytes;
}

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

#if defined(__aarch64__)
inline constexpr const char* kHere = "arm64";
#else
inline constexpr const char* kHere = "amd64";
#endif

struct LvOptions {
  std::string name = "test:latest";
  std::string architecture = kHere;
  std::string config = R"({"Cmd":["/bin/true"]})";  // canonical JSON
  std::string budget;                               // canonical JSON, "" for none
  std::uint32_t chunkSize = 64U << 10;
};

struct LvSection {
  std::uint32_t type = 0, flags = 0;
  std::uint64_t offset = 0, length = 0, reserved = 0;
};

/** The parts of an image. assemble() puts them together as they are, right or wrong. */
struct LvParts {
  std::string erofs, manifest, chunkTable;
  std::vector<LvSection> sections;
  std::uint64_t fileSize = 0;

  /** The whole file, with a header that has a right CRC. */
  [[nodiscard]] std::string assemble() const {
    std::string file = erofs;
    file.resize(fileSize);
    for (const LvSection& section : sections) {
      const std::string& content = section.type == 2 ? manifest : chunkTable;
      if (section.type == 1 || section.offset + content.size() > fileSize) continue;
      file.replace(section.offset, content.size(), content);
    }
    file.replace(0, 1024, makeHeader());
    return file;
  }

  [[nodiscard]] std::string makeHeader() const {
    std::string header(1024, '\0');
    header.replace(0, 8, std::string_view("\x89LV\r\n\x1a\n\0", 8));
    put<std::uint16_t>(header, 8, 1);
    put<std::uint32_t>(header, 12, 1024);
    put<std::uint32_t>(header, 20, static_cast<std::uint32_t>(sections.size()));
    put<std::uint64_t>(header, 24, fileSize);
    for (std::size_t i = 0; i < sections.size(); i++) std::memcpy(header.data() + 32 + i * 32, &sections[i], 32);
    sealHeader(header);
    return header;
  }

  /** Makes the CRC right again after a change. */
  static void sealHeader(std::string& file) {
    put<std::uint32_t>(file, 1020, lightv::crc32cPortable(std::string_view(file).substr(0, 1020)));
  }
};

/** Entries over [1024, E) in equal cuts: readers must not care where the cuts are. */
inline std::string makeChunkTable(std::string_view erofs, std::uint32_t chunkSize) {
  std::string table;
  for (std::size_t offset = 1024; offset < erofs.size(); offset += chunkSize) {
    const std::string_view chunk = erofs.substr(offset, chunkSize);
    std::string entry(48, '\0');
    put<std::uint64_t>(entry, 0, offset);
    put<std::uint32_t>(entry, 8, static_cast<std::uint32_t>(chunk.size()));
    const lightv::Sha256Digest digest = lightv::sha256(chunk);
    std::memcpy(entry.data() + 16, digest.data(), digest.size());
    table += entry;
  }
  return table;
}

inline std::string makeManifest(const LvOptions& options, std::string_view chunkTable, std::size_t erofsSize) {
  return "{\"architecture\":\"" + options.architecture + "\"" +
         (options.budget.empty() ? std::string() : ",\"budget\":" + options.budget) +
         ",\"chunks\":{\"count\":" + std::to_string(chunkTable.size() / 48) + ",\"digest\":\"" +
         lightv::digestText(lightv::sha256(chunkTable)) + "\",\"size\":" + std::to_string(chunkTable.size()) +
         "},\"config\":" + options.config +
         ",\"created\":\"2023-11-14T22:13:20Z\",\"erofs\":{\"blockSize\":4096,\"size\":" + std::to_string(erofsSize) +
         "},\"name\":\"" + options.name + "\",\"os\":\"linux\",\"schemaVersion\":1}";
}

/** Sections one behind the other: EROFS, manifest, chunk table. Call again after a change of `manifest` or
 * `chunkTable`. */
inline void layOut(LvParts& parts) {
  const std::uint64_t manifestAt = parts.erofs.size();
  const std::uint64_t tableAt = (manifestAt + parts.manifest.size() + 7) / 8 * 8;
  parts.sections = {{1, 0, 0, parts.erofs.size(), 0},
                    {2, 0, manifestAt, parts.manifest.size(), 0},
                    {3, 0, tableAt, parts.chunkTable.size(), 0}};
  parts.fileSize = (tableAt + parts.chunkTable.size() + 4095) / 4096 * 4096;
}

inline LvParts makeParts(std::string erofs, const LvOptions& options = {}) {
  LvParts parts;
  parts.erofs = std::move(erofs);
  parts.chunkTable = makeChunkTable(parts.erofs, options.chunkSize);
  parts.manifest = makeManifest(options, parts.chunkTable, parts.erofs.size());
  layOut(parts);
  return parts;
}

/** Writes bytes to a new file or over an old one. */
inline bool writeBytes(const std::string& path, std::string_view bytes, mode_t mode = 0644) {
  return lightv::writeFileAtomic(path, bytes, mode).ok();
}

/** The usual case: `directory` as an image at `path`; its digest, or "" when it could not be made. */
inline std::string buildLv(const std::string& directory, const std::string& path, const LvOptions& options = {}) {
  const std::string erofs = makeErofs(directory);
  if (erofs.empty()) return {};
  const LvParts parts = makeParts(erofs, options);
  return writeBytes(path, parts.assemble()) ? lightv::digestText(lightv::sha256(parts.manifest)) : std::string();
}

}  // namespace lvtest
