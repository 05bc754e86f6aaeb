// Reading `.lv` files (docs/image-format.md). The file is hostile: every bound is checked before it is used.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** The OCI image configuration's `config`, what of it we use. */
struct ImageConfig {
  std::vector<std::string> entrypoint, cmd, env;
  std::string workingDir, user, stopSignal;
  std::vector<std::string> exposedPorts, volumes;  // "80/tcp", "/data"
  std::map<std::string, std::string> labels;
  struct Healthcheck {
    std::vector<std::string> test;
    std::uint64_t intervalNs = 0, timeoutNs = 0, startPeriodNs = 0;
    std::uint32_t retries = 0;
  };
  std::optional<Healthcheck> healthcheck;
};

struct ImageInfo {
  std::string digest;  // sha256:<hex> of the manifest
  std::string name, os, architecture, created;
  ImageConfig config;
  std::optional<std::uint64_t> budgetMemory, budgetCpusMilli, budgetPids;
  std::uint64_t fileSize = 0, erofsSize = 0, chunkCount = 0;
  std::uint64_t chunkTableOffset = 0, chunkTableSize = 0;
  std::string chunkTableDigest;
  std::string manifestJson;  // as it lies in the file
};

/** Checks header, section table and manifest, not the content. No more than a few pages are read. */
Result<ImageInfo> readImage(int fd);
Result<ImageInfo> readImageFile(const std::string& path);
/** The same over bytes in memory of which at least header, manifest and chunk table are right: what the fuzzer calls.
 */
Result<ImageInfo> parseImage(std::string_view header, std::string_view manifest, std::uint64_t fileSize);

/** Called with bytes done and bytes in all; return false to stop (then the error is ECANCELED). */
using Progress = bool (*)(void* context, std::uint64_t done, std::uint64_t total);
/** Reads all of it: every chunk's SHA-256, the chunk table's digest, the table's coverage. Names the first bad chunk.
 */
Result<ImageInfo> verifyImage(int fd, Progress progress = nullptr, void* context = nullptr);

enum class MountWay { file, loop, unpacked };

/**
 * A detached, read-only, nodev mount of the image's file system, by the first way that this kernel has
 * (LIGHTV_IMAGE_MOUNT=file|loop|unpacked forces one, for tests). Nothing of it is visible in any mount namespace; it
 * goes when the last descriptor and the last namespace that took it go. A loop device clears itself
 * (LO_FLAGS_AUTOCLEAR).
 */
struct ImageMount {
  Fd mount;
  MountWay way = MountWay::file;
};
Result<ImageMount> mountImage(const std::string& path, const std::string& digest, const std::string& unpackRoot);

/**
 * The same for root of a user namespace, who may mount no EROFS: the tree, unpacked under `unpackRoot` by whoever needs
 * it first, who checks every chunk's digest. Device nodes are left out, as he can make none.
 */
Result<ImageMount> mountForUser(const std::string& path, const std::string& digest, const std::string& unpackRoot);

/** What of an image's tree can be had. */
enum class UnpackFor { root, user };

/** Writes the tree of a plain EROFS image under `directoryFd`, never following a link that is not its own. */
Status unpackErofs(int imageFd, std::uint64_t erofsSize, int directoryFd, UnpackFor who = UnpackFor::root);

}  // namespace lightv
