// A sandbox that is being made: its id, its lock, its directory under a name that nobody looks at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec.hpp"
#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Takes an id that nobody has, by making its run directory. */
Result<SandboxFiles> takeFreshId(const Paths& paths);

/** What of a sandbox has to survive a power cut: not one that goes with its run. */
bool isDurable(const Spec& spec);

/** In the directory of a prepared sandbox, which has no config.json yet: its cgroup's parent. */
inline constexpr const char* kPreparedMark = "/prepared";
inline std::string preparedMark(const SandboxFiles& files) {
  return files.newDirectory() + kPreparedMark;
}

/** Names for so many anonymous volumes (MergeContext::freshVolumes). */
Result<std::vector<std::string>> freshVolumeNames(std::size_t count);

/** Directories of named volumes that are not there yet. */
Status makeVolumes(const Paths& paths, const Spec& spec);

/** Unless it is published, its destructor takes back every step. */
class Draft {
 public:
  Draft(Draft&&) = default;
  Draft& operator=(Draft&&) = delete;
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft();

  /** Takes an id and the lock in its run directory: the sweep leaves it alone. */
  static Result<Draft> begin(const Paths& paths);

  [[nodiscard]] const SandboxFiles& files() const { return files_; }

  /** The range of ids that is its own from now on. */
  void hasIds(std::uint32_t idBase) { idBase_ = idBase; }
  Status write(const Spec& spec);
  /** Makes it visible, in one step. */
  Status publish(const Spec& spec);

 private:
  Draft(SandboxFiles files, Fd lock) : files_(std::move(files)), lock_(std::move(lock)) {}

  SandboxFiles files_;
  Fd lock_;
  std::string name_;
  std::uint32_t idBase_ = 0;
  bool kept_ = false;
};

}  // namespace lightv
