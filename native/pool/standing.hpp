// A sandbox that stands and waits for a request: all of it that no request decides.
#pragma once

#include <optional>
#include <string>

#include "core/late_mounts.hpp"
#include "core/spec.hpp"
#include "engine/engine.hpp"
#include "image/image.hpp"
#include "monitor/layout.hpp"
#include "monitor/prepared.hpp"
#include "pool/file_view.hpp"
#include "pool/held_mount.hpp"
#include "sys/result.hpp"

namespace lightv {

/** What the members of one shelf are made from. */
struct PoolImage {
  ImageInfo info;
  std::string path;
  HeldMount mount;  // one for all of them: what one has read of it is in memory for the next
};

/** What all members of a keeper have in common. */
struct PoolPlace {
  std::string cgroupParent;
  FileView files;  // the keeper's, before it may have gone into a mount namespace of its own that follows that
};

class Standing {
 public:
  /** Keeps references to all three. */
  Standing(const Paths& paths, const PoolImage& image, const PoolPlace& place)
      : paths_(paths), image_(image), place_(place) {}

  /** Makes it, by this process, which becomes its monitor. After a failure takeBack() leaves nothing. */
  Status make();
  /**
   * Goes a request's way once, without effect: of what it touches the kernel copies or maps each page when that is
   * touched first, and no caller shall wait for it.
   */
  void rehearse() const;
  /** As if it had never been. */
  void takeBack();

  /** What the sandbox would be for this request. An error: it can't be that. */
  [[nodiscard]] Result<Spec> specFor(const CreateRequest& request) const;
  /** The ids of the workload's user. */
  [[nodiscard]] Result<UserIds> userOf(const Spec& wanted) const;
  /** Takes the name of `wanted` beside its own. False: another has it. */
  bool takeName(const Spec& wanted);
  /** Opens the mounts of `wanted`, with its volumes made: nothing of the sandbox is changed yet. */
  [[nodiscard]] Result<LateMounts> openMounts(const Spec& wanted) const;
  /** Takes back what both did: whoever asked for `wanted` may have its name now. */
  void letGoOf(const Spec& wanted);
  /** Mounts and host name. After an error half of it may be done, and nobody may have this sandbox. */
  Status furnish(const Spec& wanted, const LateMounts& mounts);
  /** Makes it a sandbox that everybody sees, on the disk before that if it has to outlive a power cut. */
  [[nodiscard]] Status publish(const Spec& spec) const;
  /** Of one that is published: an unlink may wait for the disk, so not before its program has begun. */
  void clearTraces() const;

  [[nodiscard]] const Paths& paths() const { return paths_; }
  [[nodiscard]] const PoolImage& image() const { return image_; }
  [[nodiscard]] const PoolPlace& place() const { return place_; }
  [[nodiscard]] const SandboxFiles& files() const { return *files_; }
  [[nodiscard]] const Spec& spec() const { return spec_; }
  [[nodiscard]] Prepared& prepared() { return prepared_; }
  /** Its pids may be another's from now on: takeBack() sends them no signal. */
  void forgetProcesses() { prepared_ = Prepared(); }

 private:
  Status build(Fd lock);
  void takeHostIds();
  void adoptIds(Spec& spec) const;
  [[nodiscard]] std::string configFile() const;
  Status claimSomeName();
  [[nodiscard]] Result<Spec> merge(CreateRequest request) const;

  const Paths& paths_;
  const PoolImage& image_;
  const PoolPlace& place_;
  std::optional<SandboxFiles> files_;
  std::string name_, oldName_;
  Spec spec_;  // of what stands
  Prepared prepared_;
};

}  // namespace lightv
