#include "pool/shelf.hpp"

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

Status Shelf::add(const Paths& paths, const std::string& cgroupParent) {
  Fd ours;
  Fd theirs;
  if (Status made = seqpacketPair(ours, theirs); !made) return made;
  const pid_t pid = ::fork();
  if (pid < 0) return Error{"fork", errno, "a prepared sandbox"};
  if (pid == 0) {
    (void)::signal(SIGCHLD, SIG_DFL);
    closeAllBut({listener_.get(), theirs.get(), image_.mount.get()});
    ::_exit(memberMain(paths, image_, cgroupParent, std::move(listener_), std::move(theirs)));
  }
  members_.push_back({pid, std::move(ours), false});
  return {};
}

void Shelf::drop() {
  if (!members_.empty()) members_.pop_back();
}

void Shelf::hide(const Paths& paths) {
  (void)::unlink(poolSocket(paths, image_.info.digest).c_str());
  listener_.reset();
}

void Shelf::failed(std::uint64_t now) {
  constexpr std::uint64_t kFirst = 1'000'000;
  constexpr std::uint64_t kLongest = 60'000'000;
  backoffUs_ = backoffUs_ == 0 ? kFirst : std::min(backoffUs_ * 2, kLongest);
  nextTry_ = now + backoffUs_;
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
