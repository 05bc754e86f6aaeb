#include "pool/standing.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/cgroup_place.hpp"
#include "core/root_fs.hpp"
#include "engine/draft.hpp"
#include "engine/merge.hpp"
#include "engine/names.hpp"
#include "engine/pool_talk.hpp"
#include "monitor/host_ids.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/lock.hpp"
#include "monitor/removal.hpp"
#include "pool/fit.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** More than the order to a parked process takes (core/order.hpp): what would not fit into a message is left to others.
 */
std::size_t orderSize(const Spec& spec) {
  constexpr std::size_t kFrame = 1024, kEach = 8, kLongestPath = 4096;
  std::size_t size = kFrame + kLongestPath + spec.cwd.size();
  for (const std::string& arg : spec.args) size += arg.size() + kEach;
  for (const std::string& entry : spec.env) {
    size += entry.size() + kEach;
    if (!entry.starts_with("PATH=") || spec.args.empty()) continue;
    // Each part of it becomes a path to try.
    const auto parts = static_cast<std::size_t>(std::count(entry.begin(), entry.end(), ':')) + 1;
    size += entry.size() + parts * (spec.args[0].size() + kEach);
  }
  return size;
}

/** The sandbox's own root, as its processes see it. */
Result<Fd> openRoot(const Parked& parked) {
  return openFile("/proc/" + std::to_string(parked.launched.initPid) + "/root", O_PATH | O_DIRECTORY);
}

}  // namespace

Status Standing::make() {
  if (Status joined = ensureMonitorGroup(place_.cgroupParent); !joined) return joined;
  Result<SandboxFiles> files = takeFreshId(paths_);
  if (!files) return files.error();
  files_.emplace(std::move(*files));
  Result<Fd> lock = lockForMonitor(this->files());
  if (!lock) return lock.error();
  if (Status directory = makeDirs(this->files().newDirectory()); !directory) return directory;
  // Should this process be killed, the sweep finds the cgroup by it.
  const std::string mark = preparedMark(this->files());
  if (Status marked = writeFileAtomic(mark, place_.cgroupParent); !marked) return marked;
  if (Status named = claimSomeName(); !named) return named;
  return build(std::move(*lock));
}

Status Standing::build(Fd lock) {
  CreateRequest request;
  request.image = image_.info.digest;
  request.command = {"-"};
  Result<Spec> spec = merge(std::move(request));
  if (!spec) return spec.error();
  spec_ = std::move(*spec);
  // The image's own volumes come with the request too.
  spec_.mounts.clear();
  Fd ids;
  if (Status given = giveIds(files(), spec_, ids); !given) return given;
  Result<Prepared> prepared = prepareSandbox(spec_, files(), image_.mount.get(), std::move(lock));
  if (!prepared) return prepared.error();
  prepared_ = std::move(*prepared);
  prepared_.run.execution.ids = std::move(ids);
  if (prepared_.run.hostIds) takeHostIds();
  return {};
}

/** There was no user namespace to be had. */
void Standing::takeHostIds() {
  prepared_.run.execution.ids.reset();
  releaseIds(files(), std::exchange(spec_.idBase, 0));
  lightv::takeHostIds(spec_, *prepared_.run.hostIds);
}

/** What is decided for the sandbox that stands holds for the request, unless it insists. */
void Standing::adoptIds(Spec& spec) const {
  if (spec.userns != UserNamespace::automatic) return;
  spec.idBase = spec_.idBase;
  if (spec.usernsRequired) return;
  spec.userns = spec_.userns;
  spec.usernsFallback = spec_.usernsFallback;
}

/** A name of its own, so that a request without one need not look for it. */
Status Standing::claimSomeName() {
  Status claimed;
  for (unsigned attempt = 0; attempt < 8; attempt++) {
    const Result<std::string> name = generateName(attempt);
    if (!name) return name.error();
    claimed = claimName(paths_, *name, files().id());
    if (claimed.ok()) name_ = *name;
    if (claimed.ok() || claimed.error().err != EEXIST) break;
  }
  return claimed;
}

Result<Spec> Standing::merge(CreateRequest request) const {
  Result<std::vector<std::string>> volumes = freshVolumeNames(countAnonymousVolumes(request, image_.info.config));
  if (!volumes) return volumes.error();
  const MergeContext context{files().id(), timeNow(), paths_.root, "", place_.cgroupParent, std::move(*volumes)};
  Result<Spec> spec = mergeImage(std::move(request), image_.info, context);
  if (spec) spec->imagePath = image_.path;
  return spec;
}

Result<Spec> Standing::specFor(const CreateRequest& request) const {
  Result<Spec> spec = merge(request);
  if (!spec) return spec.error();
  if (spec->name.empty()) spec->name = name_;
  adoptIds(*spec);
  if (!fits(*spec, spec_)) return Error{"prepared sandbox", ENOTSUP, "what stands can't be that"};
  if (orderSize(*spec) > kMaxMessageBytes) return Error{"prepared sandbox", EMSGSIZE, "arguments and environment"};
  return spec;
}

void Standing::rehearse() const {
  PoolRequest sample{.root = paths_.root, .hasStdout = true, .hasStderr = true, .callerLimits = true};
  sample.create.image = image_.info.digest;
  sample.create.command = {"/bin/sh", "-c", "true"};
  sample.create.spec.env = {"A=B"};
  sample.create.spec.autoRemove = true;
  const Result<PoolRequest> request = parsePoolRequest(toJson(sample));
  if (!request) return;
  const Result<Spec> spec = specFor(request->create);
  if (!spec) return;
  rehearseOrder(prepared_.run.parked, *spec);
  (void)toJson(*spec);
}

Result<UserIds> Standing::userOf(const Spec& wanted) const {
  const Parked& parked = prepared_.run.parked;
  if (wanted.user == spec_.user && wanted.groupAdd == spec_.groupAdd) return parked.user;
  const Result<Fd> root = openRoot(parked);
  if (!root) return root.error();
  return resolveUser(RootFs(root->get()), wanted.user, wanted.groupAdd);
}

Result<LateMounts> Standing::openMounts(const Spec& wanted) const {
  if (wanted.mounts.empty()) return LateMounts();
  for (const Mount& mount : wanted.mounts) {
    if (mount.kind == MountKind::bind && !exists(mount.source)) return Error{"mount", ENOENT, mount.source};
  }
  // Should this process be killed, the sweep finds by it what was made for this sandbox alone.
  if (!anonymousVolumes(wanted).empty()) {
    if (Status written = writeFileAtomic(configFile(), toJson(wanted), 0600); !written) return written.error();
  }
  if (Status made = makeVolumes(paths_, wanted); !made) return made.error();
  return LateMounts::open(prepared_.run.parked, wanted);
}

bool Standing::takeName(const Spec& wanted) {
  if (wanted.name == name_) return true;
  if (!isSandboxName(wanted.name) || !claimName(paths_, wanted.name, files().id())) return false;
  oldName_ = std::exchange(name_, wanted.name);
  return true;
}

void Standing::letGoOf(const Spec& wanted) {
  if (!oldName_.empty()) {
    (void)freeName(paths_, name_, files().id());
    name_ = std::exchange(oldName_, {});
  }
  const std::vector<std::string> volumes = anonymousVolumes(wanted);
  if (volumes.empty()) return;
  (void)deleteVolumes(paths_, volumes);
  (void)::unlink(configFile().c_str());
}

Status Standing::furnish(const Spec& wanted, const LateMounts& mounts) {
  // Before a mount may show another's file in the place of ours.
  if (wanted.hostname != spec_.hostname) {
    if (Status named = renameHost(prepared_.run.parked, wanted); !named) return named;
  }
  return mounts.attach();
}

std::string Standing::configFile() const {
  return files().newDirectory() + "/config.json";
}

Status Standing::publish(const Spec& spec) const {
  const std::string config = configFile();
  Result<Fd> file = openFile(config, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!file) return file.error();
  if (Status written = writeAll(file->get(), toJson(spec), config); !written) return written;
  // On the disk before it is seen: a power cut must not leave a sandbox without its configuration.
  if (isDurable(spec)) {
    if (::fsync(file->get()) != 0) return Error{"fsync", errno, config};
    if (Status synced = syncDir(files().newDirectory()); !synced) return synced;
  }
  if (::rename(files().newDirectory().c_str(), files().directory().c_str()) != 0) {
    return Error{"rename", errno, files().newDirectory()};
  }
  return {};
}

void Standing::clearTraces() const {
  (void)::unlink((files().directory() + kPreparedMark).c_str());
  if (!oldName_.empty()) (void)freeName(paths_, oldName_, files().id());
}

void Standing::takeBack() {
  if (files_) {
    (void)freeName(paths_, name_, files().id());
    if (!oldName_.empty()) (void)freeName(paths_, oldName_, files().id());
  }
  dropRun(prepared_.run);
  if (!files_) return;
  (void)removeTree(files().newDirectory());
  (void)deleteHidden(files(), spec_.idBase);
}

}  // namespace lightv
