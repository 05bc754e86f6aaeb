#include "core/namespaces.hpp"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <string>

#include "sys/file.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

struct Namespace {
  const char* name;
  int flag;
};

/** In the order in which setns(2) must go: rights over the others come with the user namespace. */
constexpr std::array<Namespace, 7> kAll{{{"user", CLONE_NEWUSER},
                                         {"cgroup", CLONE_NEWCGROUP},
                                         {"ipc", CLONE_NEWIPC},
                                         {"uts", CLONE_NEWUTS},
                                         {"net", CLONE_NEWNET},
                                         {"pid", CLONE_NEWPID},
                                         {"mnt", CLONE_NEWNS}}};

}  // namespace

Result<Namespaces> Namespaces::of(pid_t pid) {
  Namespaces held;
  held.pid_ = pid;
  held.pidfd_.reset(sys::pidfdOpen(pid));
  if (!held.pidfd_) return Error{"pidfd_open", errno, "pid " + std::to_string(pid), "is it still running?"};
  return held;
}

Status Namespaces::open(int flags) {
  flags_ = flags;
  for (std::size_t i = 0; i < kAll.size(); i++) {
    if ((flags & kAll[i].flag) == 0) continue;
    Result<Fd> file = openFile("/proc/" + std::to_string(pid_) + "/ns/" + kAll[i].name, O_RDONLY);
    if (!file) return file.error();
    files_[i] = std::move(*file);
  }
  return {};
}

bool Namespaces::isOwnerThere() const {
  return sys::pidfdSendSignal(pidfd_.get(), 0) == 0;
}

void Namespaces::enter(const Reporter& reporter) const {
  if (sys::setnsPidfd(pidfd_.get(), flags_) == 0) return;
  // EINVAL: before 5.8 setns(2) knew no pidfds.
  if (errno != ENOSYS && errno != EINVAL) reporter.fail("join sandbox", "namespaces", errno);
  for (std::size_t i = 0; i < kAll.size(); i++) {
    if (!files_[i]) continue;
    if (::setns(files_[i].get(), kAll[i].flag) < 0) reporter.fail("join sandbox", kAll[i].name, errno);
  }
}

}  // namespace lightv
