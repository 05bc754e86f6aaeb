#include "pool/shelf.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "engine/pool_talk.hpp"
#include "sys/fds.hpp"
#include "sys/socket.hpp"

namespace lightv {

Status Shelf::open(const Paths& paths) {
  constexpr int kBacklog = 512;
  Result<Fd> listener = listenSeqpacket(poolSocket(paths, image_.info.digest), kBacklog);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

Status Shelf::add(const Paths& paths, const PoolPlace& place, std::uint64_t now) {
  Fd ours;
  Fd theirs;
  if (Status made = seqpacketPair(ours, theirs); !made) return made;
  const pid_t pid = ::fork();
  if (pid < 0) return Error{"fork", errno, "a prepared sandbox"};
  if (pid == 0) {
    (void)::signal(SIGCHLD, SIG_DFL);
    closeAllBut({listener_.get(), theirs.get(), image_.mount.get()});
    ::_exit(memberMain(paths, image_, place, std::move(listener_), std::move(theirs)));
  }
  members_.push_back({.pid = pid, .socket = std::move(ours), .since = now});
  return {};
}

void Shelf::drop() {
  if (!members_.empty()) members_.pop_back();
}

void Shelf::hide(const Paths& paths) {
  (void)::unlink(poolSocket(paths, image_.info.digest).c_str());
  listener_.reset();
}

std::optional<std::uint64_t> Shelf::preparingSince() const {
  std::optional<std::uint64_t> first;
  for (const Idle& idle : members_) {
    if (!idle.ready) first = std::min(first.value_or(idle.since), idle.since);
  }
  return first;
}

bool Shelf::isCurrent() const {
  struct stat mine {};
  struct stat there {};
  return ::fstat(file_.get(), &mine) == 0 && ::stat(image_.path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

std::size_t Shelf::dropHung(std::uint64_t before) {
  return std::erase_if(members_, [before](const Idle& idle) { return !idle.ready && idle.since <= before; });
}

bool Shelf::prove(std::uint64_t before) {
  bool some = false;
  for (Idle& idle : members_) {
    if (!idle.ready || idle.proven || idle.since > before) continue;
    idle.proven = some = true;
  }
  return some;
}

void Shelf::close(const Paths& paths) {
  hide(paths);
  members_.clear();
}

unsigned Shelf::turnAway() {
  unsigned count = 0;
  while (true) {
    const Result<Fd> connection = acceptConnection(listener_.get());
    if (!connection || !*connection) return count;
    count++;
  }
}

std::size_t Shelf::ready() const {
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const Idle& idle) { return idle.ready; }));
}

}  // namespace lightv
