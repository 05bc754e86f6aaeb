#include "monitor/lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "monitor/records.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

struct flock wholeFile() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/** Is the file that `fd` has open still the one at its path? Whoever removes a run directory holds the lock meanwhile.
 */
bool isCurrent(int fd, const std::string& path) {
  struct stat mine {};
  struct stat there {};
  return fstat(fd, &mine) == 0 && stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

Result<Fd> openLock(const SandboxFiles& files) {
  Fd fd(open(files.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd && errno == ENOENT) {
    if (Status made = makeDirs(files.runDirectory()); !made) return made.error();
    fd.reset(open(files.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  if (!fd) return Error{"open", errno, files.lock()};
  return fd;
}

Result<LockState> askHolder(int fd, const std::string& path) {
  struct flock lock = wholeFile();
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return Error{"fcntl F_OFD_GETLK", errno, path};
  if (lock.l_type == F_UNLCK) return LockState{};
  if (lock.l_pid > 0) return LockState{Holder::monitor, lock.l_pid};
  return LockState{Holder::engine, 0};
}

/** One try: the lock, an invalid Fd when somebody has it (then `state` tells who), or an error. */
Result<Fd> tryOnce(const SandboxFiles& files, int command, LockState& state) {
  Result<Fd> fd = openLock(files);
  if (!fd) return fd;
  struct flock lock = wholeFile();
  if (fcntl(fd->get(), command, &lock) == 0) {
    if (isCurrent(fd->get(), files.lock())) return fd;
    state = {Holder::engine, 0};
    return Fd();
  }
  if (errno != EAGAIN && errno != EACCES) return Error{"lock", errno, files.lock()};
  const Result<LockState> asked = askHolder(fd->get(), files.lock());
  if (!asked) return asked.error();
  state = *asked;
  return Fd();
}

/** A monitor without state.json, or with one that says "exited", is beginning or ending: it is waited for. */
bool isAlive(const SandboxFiles& files, const LockState& holder) {
  if (holder.holder != Holder::monitor) return false;
  const Result<StateRecord> state = readState(files.state());
  return state && state->status != SandboxStatus::exited;
}

Result<Fd> lockWithin(const SandboxFiles& files, int command, int timeoutMs, int aliveError) {
  const std::uint64_t start = monotonicUs();
  for (long pauseUs = 200;; pauseUs = pauseUs < 20000 ? pauseUs * 2 : pauseUs) {
    LockState state;
    Result<Fd> taken = tryOnce(files, command, state);
    if (!taken || taken->valid()) return taken;
    if (isAlive(files, state)) return Error{"lock", aliveError, files.id()};
    if (monotonicUs() - start > static_cast<std::uint64_t>(timeoutMs) * 1000) {
      return Error{"lock", ETIMEDOUT, files.id(), "another operation on this sandbox is under way; try again"};
    }
    const timespec pause{0, pauseUs * 1000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

Result<LockState> whoHolds(const SandboxFiles& files) {
  const Fd fd(open(files.lock().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return LockState{};
  if (!fd) return Error{"open", errno, files.lock()};
  return askHolder(fd.get(), files.lock());
}

Result<Fd> lockForEngine(const SandboxFiles& files, int timeoutMs) {
  return lockWithin(files, F_OFD_SETLK, timeoutMs, EBUSY);
}

Result<Fd> tryLockForEngine(const SandboxFiles& files) {
  LockState state;
  Result<Fd> taken = tryOnce(files, F_OFD_SETLK, state);
  if (taken && !taken->valid()) return Error{"lock", EAGAIN, files.id()};
  return taken;
}

Result<Fd> lockForMonitor(const SandboxFiles& files, int timeoutMs) {
  return lockWithin(files, F_SETLK, timeoutMs, EALREADY);
}

}  // namespace lightv
