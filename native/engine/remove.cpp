// rm, and the sweep that finishes what others could not.
#include <poll.h>

#include <cerrno>
#include <csignal>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/names.hpp"
#include "engine/settle.hpp"
#include "monitor/config_file.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/lock.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

Error stillRunning(const std::string& id, SandboxStatus status) {
  return Error{std::string("You cannot remove a ") + statusName(status) + " sandbox " + id, EBUSY, "",
               "stop it first (lightv stop " + id + ") or use -f", true};
}

/** Names that lead to nothing, or to a sandbox that is called otherwise (a rename cut short). */
unsigned sweepNames(const Paths& paths) {
  const Result<Fd> lock = lockNames(paths);
  const Result<std::vector<std::string>> names = listDir(paths.root + "/names");
  if (!lock || !names) return 0;
  unsigned removed = 0;
  for (const std::string& name : *names) {
    const Result<std::string> id = readName(paths, name);
    if (!id) continue;
    if (isOwner(paths, *id)) {
      const Result<Spec> spec = readSpec(SandboxFiles(paths, *id).config());
      if (!spec || spec->name == name) continue;
    }
    if (freeNameLocked(paths, name, *id).ok()) removed++;
  }
  return removed;
}

/** A sandbox of an earlier boot that was to be removed at its end, which nobody saw. */
bool isStale(const SandboxFiles& files, const SandboxInfo& info) {
  return info.spec.autoRemove && info.status == SandboxStatus::created && !exists(files.runDirectory());
}

unsigned sweepSandboxes(const Engine& engine) {
  const Result<std::vector<std::string>> names = listDir(engine.paths().root + "/sandboxes");
  unsigned removed = 0;
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    const bool whole = isSandboxId(name);
    const std::size_t dash = name.find('-');
    const std::string id = whole || dash == std::string::npos ? name : name.substr(dash + 1);
    if (!isSandboxId(id)) continue;
    const SandboxFiles files(engine.paths(), id);
    if (!whole) {
      removed += cleanHalf(files) ? 1 : 0;
      continue;
    }
    const bool lost = looksLost(files);
    const Result<SandboxInfo> info = engine.info(id);
    const bool cleaned = lost && !looksLost(files);
    const bool stale = info && isStale(files, *info) && engine.remove(id, false, true);
    if (cleaned || stale) removed++;
  }
  return removed;
}

unsigned sweepRuns(const Paths& paths) {
  const Result<std::vector<std::string>> names = listDir(paths.run + "/sandboxes");
  unsigned removed = 0;
  for (const std::string& id : names ? *names : std::vector<std::string>()) {
    const SandboxFiles files(paths, id);
    if (!isSandboxId(id) || exists(files.newDirectory()) || exists(files.directory())) continue;
    removed += cleanRun(files) ? 1 : 0;
  }
  return removed;
}

/**
 * A --rm sandbox that has just been stopped hides its directory before its state says "exited": for that moment its
 * monitor looks as if it still ran. By force it is waited for.
 */
Result<Fd> lockForRemoval(const SandboxFiles& files, bool force) {
  constexpr std::uint64_t kPatienceUs = 5'000'000;
  constexpr int kPauseMs = 2;
  const std::uint64_t end = monotonicUs() + kPatienceUs;
  while (true) {
    Result<Fd> lock = lockForEngine(files);
    const bool isLeaving = !lock && lock.error().err == EBUSY && force && !exists(files.directory());
    if (!isLeaving || monotonicUs() > end) return lock;
    (void)poll(nullptr, 0, kPauseMs);
  }
}

}  // namespace

Status Engine::remove(const std::string& id, bool force, bool volumes) const {
  const SandboxFiles files(paths_, id);
  const Result<SandboxInfo> info = this->info(id);
  // One whose configuration is broken can still be removed, by force.
  if (!info && (info.error().err == ENOENT || !force)) return info.error();
  if (info && info->status != SandboxStatus::created && info->status != SandboxStatus::exited) {
    if (!force) return stillRunning(id, info->status);
    if (Status stopped = stop(id, SIGKILL, 0); !stopped && stopped.error().err != ENOENT) return stopped;
  }
  Result<Fd> lock = lockForRemoval(files, force);
  if (!lock && lock.error().err == EBUSY) return stillRunning(id, SandboxStatus::running);
  if (!lock) return lock.error();
  if (!exists(files.directory())) {  // it removed itself (--rm), or somebody else did
    (void)removeTree(files.runDirectory());
    return force ? Status() : Status(noSuchSandbox(id));
  }
  const bool withVolumes = info && (volumes || info->spec.autoRemove);
  const std::vector<std::string> own = withVolumes ? anonymousVolumes(info->spec) : std::vector<std::string>();
  if (!own.empty()) {
    if (Status marked = markVolumesForRemoval(files); !marked) return marked;
  }
  if (Status hidden = hideSandbox(files, info ? info->spec.name : ""); !hidden) return hidden;
  if (Status deleted = deleteVolumes(paths_, own); !deleted) return deleted;
  return deleteHidden(files, info ? info->spec.idBase : 0);
}

Result<unsigned> Engine::sweep() const {
  unsigned removed = sweepSandboxes(*this);
  removed += sweepRuns(paths_);
  removed += sweepNames(paths_);
  removed += sweepIds(paths_);
  return removed;
}

}  // namespace lightv
