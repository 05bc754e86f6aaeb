// Engine::create: a whole sandbox or nothing, at whatever point the process is killed (docs/sandbox.md, "Making and
// removing").
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>

#include "engine/cgroup_parent.hpp"
#include "engine/draft.hpp"
#include "engine/engine.hpp"
#include "engine/merge.hpp"
#include "engine/names.hpp"
#include "engine/rootless_limits.hpp"
#include "monitor/host_ids.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

constexpr unsigned kNameAttempts = 8;

Status checkPlatform(const ImageInfo& image, const utsname& machine) {
  const std::string ours = goArchitecture(machine.machine);
  // A 64-bit x86 kernel runs 32-bit programs too; on ARM not every one does.
  if (image.os == "linux" && (image.architecture == ours || (ours == "amd64" && image.architecture == "386")))
    return {};
  return Error{
      "image platform", ENOEXEC,
      "the image " + image.name + " is for " + image.os + "/" + image.architecture + ", this machine is linux/" + ours,
      "use an image for this machine", true};
}

Status checkBindSources(const Spec& spec) {
  for (const Mount& mount : spec.mounts) {
    if (mount.kind == MountKind::bind && !exists(mount.source)) {
      return Error{"create", ENOENT, "bind source path does not exist: " + mount.source, "make it first", true};
    }
  }
  return {};
}

/** The name that was asked for, or a made one that is free. The config has it before the claim, so that a claim can be
 * traced. */
Status writeAndClaim(Draft& draft, Spec& spec) {
  if (!spec.name.empty()) {
    if (Status written = draft.write(spec); !written) return written;
    return claimName(draft.files().paths(), spec.name, spec.id);
  }
  for (unsigned attempt = 0;; attempt++) {
    Result<std::string> name = generateName(attempt);
    if (!name) return name.error();
    spec.name = std::move(*name);
    if (exists(draft.files().nameLink(spec.name)) && attempt < kNameAttempts) continue;
    if (Status written = draft.write(spec); !written) return written;
    Status claimed = claimName(draft.files().paths(), spec.name, spec.id);
    if (claimed.ok() || claimed.error().err != EEXIST || attempt >= kNameAttempts) return claimed;
  }
}

Result<MergeContext> makeContext(const Paths& paths, const std::string& id, const CreateRequest& request,
                                 const ImageInfo& image, const utsname& machine) {
  Result<std::vector<std::string>> volumes = freshVolumeNames(countAnonymousVolumes(request, image.config));
  if (!volumes) return volumes.error();
  return MergeContext{
      id, timeNow(), paths.root, machine.nodename, defaultCgroupParent(paths), std::move(*volumes), paths.rootless};
}

}  // namespace

Result<std::string> Engine::create(CreateRequest request) const {
  if (!request.spec.name.empty() && !isSandboxName(request.spec.name)) {
    return Error{"Invalid sandbox name (" + request.spec.name + ")", EINVAL, "",
                 "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two at least", true};
  }
  utsname machine{};
  if (uname(&machine) != 0) return Error{"uname", errno, "this machine"};
  // Held until the sandbox is visible: rmi either sees it or has removed the image before.
  const Result<Fd> images = lockImages(false);
  if (!images) return images.error();
  std::string imagePath;
  const Result<ImageInfo> image = this->images().resolve(request.image, imagePath);
  if (!image) return image.error();
  if (Status fits = checkPlatform(*image, machine); !fits) return fits.error();
  Result<Draft> draft = Draft::begin(paths_);
  if (!draft) return draft.error();
  if (paths_.rootless) {
    const std::string parent = request.cgroupParentGiven ? request.spec.cgroupParent : defaultCgroupParent(paths_);
    if (Status held = checkUserLimits(request.spec.limits, parent); !held) return held.error();
  }
  const Result<MergeContext> context = makeContext(paths_, draft->files().id(), request, *image, machine);
  if (!context) return context.error();
  Result<Spec> spec = mergeImage(std::move(request), *image, *context);
  if (!spec) return spec.error();
  spec->imagePath = imagePath;
  if (Status there = checkBindSources(*spec); !there) return there.error();
  if (Status given = giveIds(draft->files(), *spec); !given) return given.error();
  draft->hasIds(spec->idBase);
  if (Status claimed = writeAndClaim(*draft, *spec); !claimed) return claimed.error();
  Status made = makeVolumes(paths_, *spec);
  if (made.ok()) made = draft->publish(*spec);
  if (!made) {
    (void)deleteVolumes(paths_, anonymousVolumes(*spec));
    return made.error();
  }
  return spec->id;
}

}  // namespace lightv
