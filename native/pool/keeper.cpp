#include "pool/keeper.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "engine/pool_talk.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** No refill so soon after a request: it would compete with the ones that follow. */
constexpr std::uint64_t kQuietUs = 30'000;

Fd openSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

Status Keeper::open() {
  const Paths& paths = engine_.paths();
  if (Status made = makeDirs(poolDirectory(paths)); !made) return made;
  for (const auto& [name, count] : options_.warm) {
    PoolImage image;
    Result<ImageInfo> info = engine_.images().resolve(name, image.path);
    if (!info) return info.error();
    image.info = std::move(*info);
    Result<ImageMount> mount = mountImage(image.path, image.info.digest, paths.root + "/unpacked");
    if (!mount) return mount.error();
    image.mount = std::move(mount->mount);
    Shelf shelf(std::move(image));
    if (Status opened = shelf.open(paths); !opened) return opened;
    shelves_.emplace_back(std::move(shelf), count);
  }
  // Nobody waits for the members: the kernel reaps them (sigaction(2), SIGCHLD).
  (void)signal(SIGCHLD, SIG_IGN);
  signals_ = openSignals();
  return {};
}

Status Keeper::serve() {
  while (!over_) turn();
  for (auto& [shelf, count] : shelves_) shelf.close(engine_.paths());
  return {};
}

void Keeper::turn() {
  refill();
  std::vector<pollfd> set{{signals_.get(), POLLIN, 0}};
  bool wants = false;
  for (auto& [shelf, count] : shelves_) {
    wants = wants || shelf.members().size() < count;
    set.push_back({shelf.ready() == 0 ? shelf.listener() : -1, POLLIN, 0});
    for (const Idle& idle : shelf.members()) set.push_back({idle.socket.get(), POLLIN, 0});
  }
  if (poll(set.data(), set.size(), wants ? 5 : -1) < 0) return;
  if (set[0].revents != 0) over_ = true;
  std::size_t at = 1;
  for (auto& [shelf, count] : shelves_) {
    const bool waiting = set[at++].revents != 0;
    for (Idle& idle : shelf.members()) {
      if (set[at++].revents != 0) hear(shelf, idle);
    }
    std::erase_if(shelf.members(), [](const Idle& idle) { return !idle.socket; });
    if (waiting && shelf.ready() == 0) (void)shelf.turnAway();
  }
}

void Keeper::hear(Shelf&, Idle& idle) {
  char text[512];
  const ssize_t got = recv(idle.socket.get(), text, sizeof text, MSG_DONTWAIT);
  if (got == 1 && text[0] == kMemberReady) {
    idle.ready = true;
    return;
  }
  if (got > 1) (void)!write(2, text, static_cast<std::size_t>(got));
  quietSinceUs_ = monotonicUs();
  idle.socket.reset();
}

void Keeper::refill() {
  if (monotonicUs() - quietSinceUs_ < kQuietUs) return;
  for (auto& [shelf, count] : shelves_) {
    const bool preparing = shelf.members().size() > shelf.ready();
    if (shelf.members().size() >= count || preparing) continue;
    (void)shelf.add(engine_.paths(), options_.cgroupParent);
    return;
  }
}

}  // namespace lightv
