#include "engine/settle.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/cgroup.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/draft.hpp"
#include "monitor/config_file.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/lock.hpp"
#include "monitor/records.hpp"
#include "monitor/removal.hpp"
#include "rootless/enter.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** PID 1 of the sandbox ends by itself when its monitor dies; this ends what it could not, and the cgroup. */
void clearCgroup(const CgroupPlace& place, const std::string& id) {
  const Cgroup cgroup = Cgroup::open(place, id);
  const Result<std::vector<pid_t>> left = cgroup.processes();
  if (left && !left->empty()) (void)cgroup.kill();
  (void)cgroup.remove();
}

/**
 * started.json is not synced, so that a start need not wait for the disk: after a power cut its name may be there and
 * its content not (ext4's delayed allocation). Then its own time has to do.
 */
StartRecord startOf(const std::string& path) {
  const Result<StartRecord> start = readStartRecord(path);
  if (start) return *start;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {formatTime({info.st_mtim.tv_sec, static_cast<std::uint32_t>(info.st_mtim.tv_nsec)}), 0};
}

/** What the run left says when it began; empty when exit.json is about that run, so nothing was lost. */
StateRecord lostRun(const SandboxFiles& files) {
  StateRecord run;
  if (Result<StateRecord> state = readState(files.state())) {
    run = std::move(*state);
  } else {
    StartRecord start = startOf(files.started());
    run.startedAt = std::move(start.startedAt);
    run.restartCount = start.restartCount;
  }
  const Result<ExitRecord> exit = readExitRecord(files.exit());
  if (exit && exit->startedAt == run.startedAt) run.startedAt.clear();
  return run;
}

ExitRecord endOf(const StateRecord& run) {
  ExitRecord record{{}, run.startedAt, run.restartCount, run.warnings, run.logDroppedLines, run.logDroppedBytes};
  if (run.status == SandboxStatus::exited && run.exit) {  // its monitor saw the end, and could not write it down
    record.exit = *run.exit;
    return record;
  }
  record.exit.exitCode = 128 + SIGKILL;
  record.exit.signal = SIGKILL;
  record.exit.lost = true;
  record.exit.finishedAt = timeNow();
  record.exit.error = "its monitor was lost";
  return record;
}

Status recordLoss(const SandboxFiles& files) {
  const StateRecord run = lostRun(files);
  if (run.startedAt.empty()) return {};
  return writeFileAtomic(files.exit(), toJson(endOf(run)), 0600, Durable::yes);
}

}  // namespace

bool looksLost(const SandboxFiles& files) {
  if (!exists(files.state()) && !exists(files.started())) return false;
  const Result<LockState> holder = whoHolds(files);
  return holder && holder->holder == Holder::nobody;
}

ExitRecord unsettledEnd(const SandboxFiles& files) {
  return endOf(lostRun(files));
}

Status settleIfLost(const SandboxFiles& files) {
  if (!looksLost(files)) return {};
  const Result<Fd> lock = tryLockForEngine(files);
  if (!lock) return lock.error().err == EAGAIN ? Status() : Status(lock.error());
  if (!exists(files.state()) && !exists(files.started())) return {};
  const Result<Spec> spec = readSpec(files.config());
  clearCgroup(spec ? placeOf(*spec) : defaultCgroupPlace(files.paths()), files.id());
  if (spec && spec->autoRemove) {
    if (Status hidden = hideSandbox(files, spec->name); !hidden) return hidden;
    (void)deleteVolumes(files.paths(), anonymousVolumes(*spec));
    return deleteHidden(files, spec->idBase);
  }
  if (Status recorded = recordLoss(files); !recorded) return recorded;
  for (const std::string& path : {files.started(), files.socket(), files.state()}) unlink(path.c_str());
  return {};
}

bool cleanHalf(const SandboxFiles& files) {
  const Result<Fd> lock = tryLockForEngine(files);
  if (!lock) return false;
  for (const std::string& directory : {files.newDirectory(), files.goneDirectory()}) {
    if (!exists(directory)) continue;
    const Result<Spec> spec = readSpec(directory + "/config.json");
    const Result<std::string> prepared = readFile(directory + kPreparedMark);
    if (spec || prepared) clearCgroup(spec ? placeOf(*spec) : CgroupPlace(*prepared), files.id());
    if (spec) {
      (void)freeName(files.paths(), spec->name, files.id());
      releaseIds(files, spec->idBase);
      const bool withVolumes = spec->autoRemove || directory == files.newDirectory() || hasVolumesMark(directory);
      if (withVolumes) (void)deleteVolumes(files.paths(), anonymousVolumes(*spec));
    }
    if (!removeTreeOfIds(directory)) return false;
  }
  // A removal cut short may have left the directory of an id that lives on; only its own run directory goes.
  return exists(files.directory()) || removeTree(files.runDirectory()).ok();
}

bool cleanRun(const SandboxFiles& files) {
  const Result<Fd> lock = tryLockForEngine(files);
  if (!lock) return false;
  if (exists(files.directory()) || exists(files.newDirectory()) || exists(files.goneDirectory())) return false;
  clearCgroup(defaultCgroupPlace(files.paths()), files.id());
  return removeTree(files.runDirectory()).ok();
}

}  // namespace lightv
