// rename and update: the two that rewrite a sandbox's configuration.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "engine/engine.hpp"
#include "engine/errors.hpp"
#include "engine/names.hpp"
#include "engine/talk.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

/** Excludes others who read, change and rewrite the same configuration. */
Result<Fd> lockConfig(const SandboxFiles& files) {
  Result<Fd> fd = openFile(files.directory(), O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error().err == ENOENT ? noSuchSandbox(files.id()) : fd.error();
  while (flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Error{"lock", errno, files.directory()};
  }
  return fd;
}

template <class Change>
Status rewriteConfig(const SandboxFiles& files, Change change) {
  const Result<Fd> lock = lockConfig(files);
  if (!lock) return lock.error();
  const Result<std::string> text = readFile(files.config());
  if (!text) return text.error().err == ENOENT ? noSuchSandbox(files.id()) : text.error();
  Result<Spec> spec = parseSpec(*text);
  if (!spec) return spec.error();
  const std::string before = toJson(*spec);
  if (Status changed = change(*spec); !changed) return changed;
  // A newer version that comes back counts on what it wrote.
  const std::string after = spec->unknownKeys.empty() ? toJson(*spec) : keepUnknown(toJson(*spec), *text, before);
  return writeFileAtomic(files.config(), after, 0600, Durable::yes);
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
  Status written = rewriteConfig(files, [&](Spec& spec) -> Status {
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

Status Engine::update(const std::string& id, const Limits& limits, const std::optional<RestartPolicy>& restart) const {
  const SandboxFiles files(paths_, id);
  const Result<SandboxInfo> info = this->info(id);
  if (!info) return info.error();
  if (restart && info->spec.autoRemove && restart->when != RestartWhen::no) {
    return Error{"Restart policy cannot be updated because AutoRemove is enabled for the sandbox", EINVAL, "", "",
                 true};
  }
  const bool runs = info->status == SandboxStatus::running || info->status == SandboxStatus::paused;
  // The kernel first: what it refuses must not stand in the configuration.
  if (runs && limits != info->spec.limits) {
    const Cgroup cgroup = Cgroup::open(info->spec.cgroupParent, id);
    if (Status set = cgroup.update(limits); !set) {
      (void)cgroup.update(info->spec.limits);
      return set;
    }
  }
  Status written = rewriteConfig(files, [&](Spec& spec) -> Status {
    spec.limits = limits;
    if (restart) spec.restart = *restart;
    return {};
  });
  if (!written || !restart) return written;
  const Result<Fd> connection = reachMonitor(files);
  if (!connection) return isGone(connection.error()) ? Status() : Status(connection.error());
  const Result<Reply> reply = exchange(connection->get(), {.op = ControlOp::restartPolicy, .restart = *restart});
  return reply || isGone(reply.error()) || reply.error().err == ESRCH ? Status() : Status(reply.error());
}

}  // namespace lightv
