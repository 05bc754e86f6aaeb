// Looking: find, info, list, and who uses an image. Whoever looks also cleans up after monitors that died.
#include <unistd.h>

#include <cerrno>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/names.hpp"
#include "engine/settle.hpp"
#include "monitor/config_file.hpp"
#include "monitor/lock.hpp"
#include "sys/directory_lock.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

constexpr int kLooks = 3;  // a sandbox may change between two of the files that we read

std::string allSandboxes(const Paths& paths) {
  return paths.root + "/sandboxes";
}

/** Names in ROOT/sandboxes; a root that is not there yet has none. */
Result<std::vector<std::string>> entries(const Paths& paths) {
  Result<std::vector<std::string>> names = listDir(allSandboxes(paths));
  if (!names && names.error().err == ENOENT) return std::vector<std::string>();
  return names;
}

void takeState(SandboxInfo& info, StateRecord state) {
  info.status = state.status;
  info.pid = state.pid;
  info.initPid = state.initPid;
  info.monitorPid = state.monitorPid;
  info.startedAt = std::move(state.startedAt);
  info.restartCount = state.restartCount;
  info.warnings = std::move(state.warnings);
  info.logDroppedLines = state.logDroppedLines;
  info.logDroppedBytes = state.logDroppedBytes;
  info.exit = std::move(state.exit);
}

void takeExit(SandboxInfo& info, ExitRecord record) {
  info.status = SandboxStatus::exited;
  info.startedAt = std::move(record.startedAt);
  info.restartCount = record.restartCount;
  info.warnings = std::move(record.warnings);
  info.logDroppedLines = record.logDroppedLines;
  info.logDroppedBytes = record.logDroppedBytes;
  info.exit = std::move(record.exit);
}

/** One look; false when what was read does not fit together and a second look is due. */
Result<bool> look(const SandboxFiles& files, SandboxInfo& info) {
  const Result<LockState> holder = whoHolds(files);
  if (!holder) return holder.error();
  if (holder->holder == Holder::monitor) {
    Result<StateRecord> state = readState(files.state());
    if (state && state->status != SandboxStatus::exited) {
      takeState(info, std::move(*state));
      return true;
    }
  } else if (holder->holder == Holder::nobody && (exists(files.state()) || exists(files.started()))) {
    if (settleIfLost(files).ok()) return false;
    // What a full disk does not take is true all the same, and whoever makes room must find the sandbox to remove it.
    takeExit(info, unsettledEnd(files));
    return true;
  }
  Result<ExitRecord> exit = readExitRecord(files.exit());
  if (exit) {
    takeExit(info, std::move(*exit));
    return true;
  }
  if (exit.error().err != ENOENT) return exit.error();
  info.status = SandboxStatus::created;
  return true;
}

/** A sandbox whose files are broken is shown as such: hiding it would keep people from removing it. */
SandboxInfo brokenSandbox(const std::string& id, const Error& error) {
  SandboxInfo info;
  info.spec.id = info.spec.name = id;
  info.status = SandboxStatus::exited;
  info.exit = ExitInfo{.exitCode = 125, .error = error.message()};
  return info;
}

}  // namespace

Result<std::string> Engine::find(const std::string& nameOrId) const {
  if (isSandboxId(nameOrId) && exists(SandboxFiles(paths_, nameOrId).config())) return nameOrId;
  if (isSandboxName(nameOrId)) {
    const Result<std::string> id = readName(paths_, nameOrId);
    if (id && exists(SandboxFiles(paths_, *id).config())) return *id;
  }
  const bool mayBePrefix = !nameOrId.empty() && nameOrId.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!mayBePrefix) return noSuchSandbox(nameOrId);
  const Result<std::vector<std::string>> names = entries(paths_);
  if (!names) return names.error();
  std::string found;
  for (const std::string& id : *names) {
    if (!id.starts_with(nameOrId)) continue;
    if (!found.empty()) {
      return Error{"Multiple IDs found with provided prefix: " + nameOrId, EINVAL, "", "give more digits", true};
    }
    found = id;
  }
  if (found.empty()) return noSuchSandbox(nameOrId);
  return found;
}

Result<SandboxInfo> Engine::info(const std::string& id) const {
  const SandboxFiles files(paths_, id);
  SandboxInfo info;
  for (int round = 0; round < kLooks; round++) {
    Result<Spec> spec = readSpec(files.config());
    if (!spec) return spec.error().err == ENOENT ? noSuchSandbox(id) : spec.error();
    info.spec = std::move(*spec);
    const Result<bool> seen = look(files, info);
    if (!seen) return seen.error();
    if (*seen) break;
  }
  return info;
}

Result<std::vector<SandboxInfo>> Engine::list() const {
  const Result<std::vector<std::string>> names = entries(paths_);
  if (!names) return names.error();
  std::vector<SandboxInfo> infos;
  for (const std::string& name : *names) {
    if (!isSandboxId(name)) {
      const std::size_t dash = name.find('-');
      if (dash != std::string::npos && isSandboxId(name.substr(dash + 1))) {
        (void)cleanHalf(SandboxFiles(paths_, name.substr(dash + 1)));
      }
      continue;
    }
    Result<SandboxInfo> one = info(name);
    if (one) {
      infos.push_back(std::move(*one));
    } else if (one.error().err != ENOENT || exists(SandboxFiles(paths_, name).directory())) {
      infos.push_back(brokenSandbox(name, one.error()));
    }
  }
  return infos;
}

Result<std::vector<std::string>> Engine::usersOf(const std::string& imageDigest) const {
  const Result<std::vector<std::string>> names = entries(paths_);
  if (!names) return names.error();
  std::vector<std::string> users;
  for (const std::string& name : *names) {
    if (name.starts_with(".gone-")) continue;
    const Result<std::string> text = readFile(allSandboxes(paths_) + "/" + name + "/config.json");
    if (!text) continue;
    const Result<Spec> spec = parseSpec(*text);
    // One that can't be read may use it: nothing is lost by keeping an image.
    if (!spec || spec->imageDigest == imageDigest) users.push_back(spec ? spec->id : name);
  }
  return users;
}

Result<Fd> Engine::lockImages(bool exclusive) const {
  const std::string directory = paths_.root + "/images";
  if (Status made = makeDirs(directory); !made) return made.error();
  return lockDirectory(directory, exclusive ? LockKind::exclusive : LockKind::shared);
}

std::string Engine::logPath(const std::string& id) const {
  return SandboxFiles(paths_, id).logDirectory() + "/log";
}

}  // namespace lightv
