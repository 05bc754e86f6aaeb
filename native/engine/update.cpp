// rename and update: the two that rewrite a sandbox's configuration.
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <set>

#include "core/process.hpp"
#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/names.hpp"
#include "engine/talk.hpp"
#include "monitor/config_file.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

/** rewriteConfig(), in a user's words. */
Status changeConfig(const SandboxFiles& files, const std::function<Status(Spec&)>& change) {
  Status written = rewriteConfig(files, change);
  return !written && written.error().err == ENOENT ? noSuchSandbox(files.id()) : written;
}

/** One request to the monitor. That there is none is fine: the next start reads the configuration. */
Status ask(const SandboxFiles& files, const ControlRequest& request) {
  const Result<Fd> connection = reachMonitor(files);
  if (!connection) return isGone(connection.error()) ? Status() : Status(connection.error());
  const Result<Reply> reply = exchange(connection->get(), request);
  return reply || isGone(reply.error()) || reply.error().err == ESRCH ? Status() : Status(reply.error());
}

/** A bound is for what was made with it: files that lie unbounded on the disk can't be put into one. */
Status checkStorage(const SandboxInfo& info, const SandboxChange& change) {
  if (!change.storageSizeBytes) return {};
  const std::uint64_t now = info.spec.storageSizeBytes;
  if (now == 0 && info.status != SandboxStatus::created) {
    return Error{"update", EINVAL, "the writable layer of " + info.spec.name + " has no bound",
                 "make a new sandbox with --storage-opt size=", true};
  }
  if (*change.storageSizeBytes >= now || info.status == SandboxStatus::created) return {};
  return Error{"update", EINVAL, "the writable layer of " + info.spec.name + " has " + std::to_string(now) + " bytes",
               "it can grow, not shrink: make a new sandbox", true};
}

/** Limits of processes are their own: each that there is gets them, and those that it begins inherit them. */
Status limitProcesses(const Cgroup& cgroup, const std::vector<Rlimit>& rlimits) {
  constexpr int kRounds = 4;  // what was forked while we went round
  std::set<pid_t> done;
  for (int round = 0; round < kRounds; round++) {
    const Result<std::vector<pid_t>> pids = cgroup.processes();
    if (!pids) return pids.error();
    const std::size_t before = done.size();
    for (const pid_t pid : *pids) {
      if (!done.insert(pid).second) continue;
      for (const Rlimit& limit : rlimits) {
        const rlimit64 value{limit.soft, limit.hard};
        const int number = rlimitNumber(limit.name);
        if (number < 0) return Error{"update", EINVAL, "there is no limit \"" + limit.name + "\"", "", true};
        if (prlimit64(pid, static_cast<__rlimit_resource>(number), &value, nullptr) != 0 && errno != ESRCH)
          return Error{"prlimit", errno, limit.name};
      }
    }
    if (done.size() == before) break;
  }
  return {};
}

/** The monitor first, which alone may say that there is no room; what it took is harmless when the rest fails. */
Status changeRunning(const SandboxFiles& files, const SandboxInfo& info, const SandboxChange& change) {
  const Spec& spec = info.spec;
  const bool grows = change.storageSizeBytes && *change.storageSizeBytes != spec.storageSizeBytes;
  if (change.log || grows) {
    ControlRequest request{.op = ControlOp::change, .log = change.log};
    if (grows) request.storageBytes = change.storageSizeBytes;
    if (Status asked = ask(files, request); !asked) return asked;
  }
  if (!change.tmpfsSizes.empty() && spec.userns == UserNamespace::rootless) {
    return Error{"update", EPERM, "only root changes a tmpfs of a running sandbox", "stop it first", true};
  }
  for (const TmpfsSize& size : change.tmpfsSizes) {
    if (Status resized = resizeTmpfs(info.initPid, size, spec.mounts); !resized) return resized;
  }
  const Cgroup cgroup = Cgroup::open(placeOf(spec), spec.id);
  if (change.rlimits) {
    if (Status limited = limitProcesses(cgroup, *change.rlimits); !limited) return limited;
  }
  if (!change.limits || *change.limits == spec.limits) return {};
  Status set = cgroup.update(*change.limits);
  if (!set) (void)cgroup.update(spec.limits);
  return set;
}

}  // namespace

Status Engine::rename(const std::string& id, const std::string& name) const {
  if (!isSandboxName(name)) {
    return Error{"Invalid sandbox name (" + name + ")", EINVAL, "",
                 "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two at least", true};
  }
  const SandboxFiles files(paths_, id);
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (info->spec.name == name) {
    return Error{"Renaming a sandbox with the same name as its current name", EINVAL, "", "", true};
  }
  // The new name first, the old one last: at every moment the configuration's name leads here.
  if (Status claimed = claimName(paths_, name, id); !claimed) return claimed;
  // Under the names' lock: a sweep in between would see a name that is not the configuration's.
  const Result<Fd> names = lockNames(paths_);
  if (!names) return names.error();
  std::string old;
  Status written = changeConfig(files, [&](Spec& spec) -> Status {
    old = spec.name;
    spec.name = name;
    // A sweep between claim and lock may have taken the new name for a leftover.
    const Result<std::string> owner = readName(paths_, name);
    return owner && *owner == id ? Status() : Status(Error{"rename", EAGAIN, name, "try again"});
  });
  const Result<bool> freed = freeNameLocked(paths_, written.ok() ? old : name, id);
  if (!written) return written;
  return freed ? Status() : Status(freed.error());
}

Status Engine::update(const std::string& id, const SandboxChange& change) const {
  const SandboxFiles files(paths_, id);
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (change.restart && info->spec.autoRemove && change.restart->when != RestartWhen::no) {
    return Error{"Restart policy cannot be updated because AutoRemove is enabled for the sandbox", EINVAL, "", "",
                 true};
  }
  if (Status fits = checkStorage(*info, change); !fits) return fits;
  Spec resized = info->spec;
  if (Status known = setTmpfsSizes(resized, change.tmpfsSizes); !known) return known;
  const bool runs = info->status == SandboxStatus::running || info->status == SandboxStatus::paused;
  // The kernel first: what it refuses must not stand in the configuration.
  if (runs) {
    if (Status done = changeRunning(files, *info, change); !done) return done;
  }
  Status written = changeConfig(files, [&](Spec& spec) -> Status {
    if (change.limits) spec.limits = *change.limits;
    if (change.restart) spec.restart = *change.restart;
    if (change.log) spec.log = *change.log;
    if (change.rlimits) spec.rlimits = *change.rlimits;
    if (change.storageSizeBytes) spec.storageSizeBytes = *change.storageSizeBytes;
    return setTmpfsSizes(spec, change.tmpfsSizes);
  });
  if (!written || !change.restart) return written;
  return ask(files, {.op = ControlOp::restartPolicy, .restart = *change.restart});
}

}  // namespace lightv
