// The words to a prepared sandbox (docs/hot-start.md): who asks, and what may be asked of one at all.
#pragma once

#include <string>
#include <string_view>

#include "engine/engine.hpp"
#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Comes with the caller's stdout and stderr as `start` says. */
struct PoolRequest {
  std::string root;  // the caller's: with another one its images and names are others
  CreateRequest create;
  bool wantStdin = false, hasStdout = false, hasStderr = false;
  bool callerLimits =
      false;  // the workload is as a child of the caller's: his resource limits, and his paths for bind mounts
};

std::string toJson(const PoolRequest& request);
Result<PoolRequest> parsePoolRequest(std::string_view json);

/** More than any machine of ours needs, few enough to be counted by hand. */
inline constexpr unsigned kMostPrepared = 4096;

enum class KeeperOp { status, resize, missed };

/** What is asked of the keeper. A `missed` one gets no answer. */
struct KeeperRequest {
  KeeperOp op = KeeperOp::status;
  unsigned most = 0;  // resize
  std::string image;  // missed: the digest of what was started without the pool
};

std::string toJson(const KeeperRequest& request);
Result<KeeperRequest> parseKeeperRequest(std::string_view json);
std::string keeperSocket(const Paths& paths);

/** What is wished to be ready, a line "sha256:<hex> <number>" each; who makes apps run writes it. */
std::string wishesFile(const Paths& paths);

std::string poolDirectory(const Paths& paths);
/** Where prepared sandboxes of an image accept. */
std::string poolSocket(const Paths& paths, const std::string& imageDigest);
/** Where the keeper mounts an image, on kernels that clone no other mounts. */
std::string poolMountPoint(const Paths& paths, const std::string& imageDigest);

/** False for what no prepared sandbox has: another network, user namespace, rights, a terminal. A cheap first look. */
bool isOrdinary(const CreateRequest& request);

}  // namespace lightv
