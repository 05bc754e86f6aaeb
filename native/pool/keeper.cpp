#include "pool/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <optional>

#include "engine/pool_talk.hpp"
#include "pool/pressure.hpp"
#include "sys/file.hpp"
#include "sys/hash.hpp"
#include "sys/socket.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** No refill so soon after a request where enough are left: it would compete with those that follow. */
constexpr std::uint64_t kQuietUs = 30'000;
/** The same where less than half is left: a burst is denser than this, and starts one by one must not use all up. */
constexpr std::uint64_t kShortQuietUs = 3'000;
/** Between two members that are made. */
constexpr std::uint64_t kPaceUs = 2'000;
/** A member that has been preparing for so long stops no other image's. */
constexpr std::uint64_t kSlowUs = 1'000'000;
/** One that has been preparing for so long hangs. */
constexpr std::uint64_t kHungUs = 30'000'000;
/** One that ends so soon after it was ready has failed. */
constexpr std::uint64_t kProofUs = 1'000'000;
constexpr std::uint64_t kNever = UINT64_MAX;
/** Between two looks at memory, wishes and images. */
constexpr std::uint64_t kLookUs = 5'000'000;
/** Hundredths of a percent of time in which tasks wait for memory: from the first on members go, below the second new
 * ones come. */
constexpr std::uint32_t kShort = 1000, kRelaxed = 200;
constexpr std::uint64_t kMemoryPerMember = 64U << 20;
constexpr int kGoodbyeMs = 5000;
constexpr int kPatienceMs = 50;

/**
 * How long after a request the next member may be made, with `left` of `wanted` there. Where less than a quarter is
 * left nothing is waited for: who finds none makes all by himself, which takes more of the machine than a refill does.
 */
constexpr std::uint64_t quietUs(std::size_t left, std::size_t wanted) {
  if (left * 4 < wanted) return 0;
  return left * 2 < wanted ? kShortQuietUs : kQuietUs;
}

Fd openSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

unsigned defaultMost() {
  constexpr std::uint64_t kLeast = 2;
  constexpr std::uint64_t kUsual = 128;
  return static_cast<unsigned>(std::clamp(machineMemory() / kMemoryPerMember, kLeast, kUsual));
}

/** Sockets of shelves that a killed keeper has left: nobody accepts there. */
void removeStale(const std::string& directory) {
  const Result<std::vector<std::string>> names = listDir(directory);
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    const std::string path = std::string(directory).append("/").append(name);
    if (name.ends_with(".sock")) (void)unlink(path.c_str());
    if (name.ends_with(".image")) HeldMount::sweep(path);
  }
}

}  // namespace

Status Keeper::open() {
  const std::string directory = poolDirectory(engine_.paths());
  if (Status made = makeDirs(directory); !made) return made;
  Result<Fd> lock = openFile(directory + "/lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return lock.error();
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{"start the runtime", EBUSY, directory, "another one runs there: lightv runtime status"};
  }
  lock_ = std::move(*lock);
  Result<FileView> files = FileView::own();
  if (!files) return files.error();
  place_ = {options_.cgroupParent, *files};
  removeStale(directory);
  (void)engine_.sweep();
  Result<Fd> control = listenSeqpacket(keeperSocket(engine_.paths()));
  if (!control) return control.error();
  control_ = std::move(*control);
  if (options_.most == 0) options_.most = defaultMost();
  // Nobody waits for the members: the kernel reaps them (sigaction(2), SIGCHLD).
  (void)signal(SIGCHLD, SIG_IGN);
  signals_ = openSignals();
  return {};
}

Status Keeper::serve() {
  while (!over_) turn();
  closeAll();
  shelves_.clear();
  return {};
}

void Keeper::turn() {
  const std::uint64_t now = monotonicUs();
  if (now >= due_.look) look();
  dropHung(now);
  if (now >= refillAt(now)) refill(now);
  std::vector<pollfd> set{{signals_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}};
  for (const auto& [digest, shelf] : shelves_) {
    // Only where no member is left to accept: whoever comes there is sent on his way.
    set.push_back({shelf->ready() == 0 ? shelf->listener() : -1, POLLIN, 0});
    for (const Idle& idle : shelf->members()) set.push_back({idle.socket.get(), POLLIN, 0});
  }
  if (poll(set.data(), set.size(), timeLeft()) < 0) return;
  over_ = set[0].revents != 0;
  // Whoever has stayed long enough has done so also if he ends now.
  proveMembers(monotonicUs());
  std::size_t at = 2;
  for (const auto& [digest, shelf] : shelves_) {
    const bool waiting = set[at++].revents != 0;
    for (Idle& idle : shelf->members()) {
      if (set[at++].revents != 0) hear(*shelf, idle);
    }
    std::erase_if(shelf->members(), [](const Idle& idle) { return !idle.socket; });
    if (!waiting || shelf->ready() > 0) continue;
    for (unsigned count = shelf->turnAway(); count > 0; count--) {
      missed_++;
      demand_.started(digest, monotonicUs());
      quietSince_ = monotonicUs();
    }
  }
  if (set[1].revents != 0) answer();
  plan();
}

int Keeper::timeLeft() const {
  const std::uint64_t now = monotonicUs();
  const std::uint64_t at = std::min({due_.look, refillAt(now), giveUpAt()});
  return now >= at ? 0 : static_cast<int>(std::min<std::uint64_t>((at - now) / 1000 + 1, INT_MAX));
}

/** When refill() has something to do; kNever: not before something happens. */
std::uint64_t Keeper::refillAt(std::uint64_t now) const {
  if (paused_) return kNever;
  std::uint64_t earliest = due_.refill;
  // One at a time: they would only wait for each other in the kernel.
  for (const auto& [digest, shelf] : shelves_) {
    const std::optional<std::uint64_t> since = shelf->preparingSince();
    if (since && now < *since + kSlowUs) earliest = std::max(earliest, *since + kSlowUs);
  }
  std::uint64_t at = kNever;
  for (const auto& [digest, count] : wanted_) {
    const auto shelf = shelves_.find(digest);
    const bool needs =
        shelf == shelves_.end() || (shelf->second->members().size() < count && !shelf->second->preparingSince());
    const std::uint64_t quietAt =
        quietSince_ + quietUs(shelf == shelves_.end() ? 0 : shelf->second->members().size(), count);
    if (needs) at = std::min(at, std::max({earliest, quietAt, backoff_.nextTry(digest)}));
  }
  return at;
}

/** When the first of those that are preparing has had all its time. */
std::uint64_t Keeper::giveUpAt() const {
  std::uint64_t at = kNever;
  for (const auto& [digest, shelf] : shelves_) {
    if (const std::optional<std::uint64_t> since = shelf->preparingSince()) at = std::min(at, *since + kHungUs);
  }
  return at;
}

/** An image of which a member has stayed is well. */
void Keeper::proveMembers(std::uint64_t now) {
  for (const auto& [digest, shelf] : shelves_) {
    if (now >= kProofUs && shelf->prove(now - kProofUs)) backoff_.succeeded(digest);
  }
}

void Keeper::dropHung(std::uint64_t now) {
  for (const auto& [digest, shelf] : shelves_) {
    if (now >= kHungUs && shelf->dropHung(now - kHungUs) > 0) fail(digest, "it did not become ready");
  }
}

void Keeper::fail(const std::string& digest, std::string why) {
  failures_++;
  lastFailure_ = std::move(why);
  backoff_.failed(digest, monotonicUs());
}

void Keeper::hear(Shelf& shelf, Idle& idle) {
  char text[512];
  const ssize_t got = recv(idle.socket.get(), text, sizeof text, MSG_DONTWAIT);
  if (got == 1 && text[0] == kMemberReady) {
    idle.ready = true;
    idle.since = monotonicUs();
    return;
  }
  const std::uint64_t now = monotonicUs();
  const std::string& digest = shelf.image().info.digest;
  if (got == 1 && text[0] == kMemberTaken) {
    taken_++;
    shelf.countTaken();
    demand_.started(digest, now);
    backoff_.succeeded(digest);
    quietSince_ = now;
  } else if (got == 1 && text[0] == kMemberSpoiled) {
    quietSince_ = now;
  } else if (!idle.ready) {
    fail(digest, got > 0 ? std::string(text, static_cast<std::size_t>(got)) : "it ended while it was preparing");
  } else if (!idle.proven) {
    fail(digest, "it ended when it had just become ready");
  }
  idle.socket.reset();
}

void Keeper::answer() {
  const Result<Fd> connection = acceptConnection(control_.get());
  if (!connection || !*connection) return;
  const Result<Peer> peer = peerOf(connection->get());
  if (!peer || (peer->uid != 0 && peer->uid != geteuid())) return;
  const Result<Message> message = receiveMessageWithin(connection->get(), kPatienceMs);
  if (!message || message->endOfFile) return;
  const Result<KeeperRequest> request = parseKeeperRequest(message->text);
  if (!request) return;
  if (request->op == KeeperOp::missed) {
    missed_++;
    demand_.started(request->image, monotonicUs());
    quietSince_ = monotonicUs();
    return;
  }
  if (request->op == KeeperOp::resize) {
    options_.most = request->most;
    plan();
  }
  (void)sendMessage(connection->get(), toJson(status()));
}

/** What changes by itself: memory, wishes, images that are gone. */
void Keeper::look() {
  due_.look = monotonicUs() + kLookUs;
  const std::uint32_t pressure = memoryPressure();
  if (pressure >= kShort) {
    paused_ = true;
    for (const auto& [digest, shelf] : shelves_) {
      for (std::size_t half = (shelf->members().size() + 1) / 2; half > 0; half--) shelf->drop();
    }
  }
  paused_ = paused_ && pressure >= kRelaxed;
  readWishes();
  for (const auto& [digest, shelf] : shelves_) {
    if (!exists(shelf->image().path)) demand_.forget(digest);
  }
  // An image that has gone and come back is another file: what is prepared stands on the old one.
  std::erase_if(shelves_, [this](const auto& entry) {
    if (entry.second->isCurrent()) return false;
    entry.second->close(engine_.paths());
    return true;
  });
  backoff_.prune(monotonicUs());
  plan();
}

void Keeper::readWishes() {
  std::map<std::string, unsigned> wishes;
  for (const auto& [name, count] : options_.warm) {
    if (const Result<std::string> digest = engine_.images().digestOf(name)) wishes[*digest] = count;
  }
  const Result<std::string> text = readFile(wishesFile(engine_.paths()));
  for (const std::string& line : split(text ? *text : "", '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    const auto count = words.size() == 2 ? parseInteger<unsigned>(words[1]) : std::nullopt;
    if (count && isDigestText(words[0])) wishes[words[0]] = std::max(wishes[words[0]], *count);
  }
  std::erase_if(wishes, [this](const auto& wish) { return !exists(engine_.images().imagePath(wish.first)); });
  demand_.setWishes(std::move(wishes));
}

/** Who shall have how many; what is too many goes at once, what is too few comes by refill(). */
void Keeper::plan() {
  wanted_ = demand_.wanted(monotonicUs(), options_.most);
  for (auto entry = shelves_.begin(); entry != shelves_.end();) {
    Shelf& shelf = *entry->second;
    const auto found = wanted_.find(entry->first);
    const unsigned wanted = found == wanted_.end() ? 0 : found->second;
    while (shelf.members().size() > wanted) shelf.drop();
    if (wanted == 0) shelf.close(engine_.paths());
    entry = wanted == 0 ? shelves_.erase(entry) : std::next(entry);
  }
}

/** One member, where the fewest are ready. */
void Keeper::refill(std::uint64_t now) {
  due_.refill = now + kPaceUs;
  Shelf* neediest = nullptr;
  for (const auto& [digest, count] : wanted_) {
    if (now < backoff_.nextTry(digest)) continue;
    if (shelves_.count(digest) == 0) {
      if (Status opened = openShelf(digest); !opened) {
        fail(digest, opened.error().message());
        if (!exists(engine_.images().imagePath(digest))) demand_.forget(digest);
        continue;
      }
    }
    Shelf& shelf = *shelves_[digest];
    const bool needs = shelf.members().size() < count && !shelf.preparingSince();
    if (needs && (neediest == nullptr || shelf.ready() < neediest->ready())) neediest = &shelf;
  }
  if (neediest == nullptr) return;
  const Status added = neediest->add(engine_.paths(), place_, now);
  if (!added) fail(neediest->image().info.digest, added.error().message());
}

Status Keeper::openShelf(const std::string& digest) {
  // Before anything is read of it: a file that comes in between is found to be another.
  Result<Fd> file = openFile(engine_.images().imagePath(digest), O_PATH);
  if (!file) return file.error();
  PoolImage image;
  Result<ImageInfo> info = engine_.images().resolve(digest, image.path);
  if (!info) return info.error();
  image.info = std::move(*info);
  Result<ImageMount> mount = mountImage(image.path, digest, engine_.paths().root + "/unpacked");
  if (!mount) return mount.error();
  Result<HeldMount> held = HeldMount::hold(std::move(mount->mount), poolMountPoint(engine_.paths(), digest), apart_);
  if (!held) return held.error();
  image.mount = std::move(*held);
  auto shelf = std::make_unique<Shelf>(std::move(image), std::move(*file));
  if (Status opened = shelf->open(engine_.paths()); !opened) return opened;
  shelves_[digest] = std::move(shelf);
  return {};
}

PoolStatus Keeper::status() const {
  PoolStatus status{.pid = getpid(), .most = options_.most, .paused = paused_, .taken = taken_, .missed = missed_};
  status.failures = failures_;
  status.lastFailure = lastFailure_;
  for (const auto& [digest, shelf] : shelves_) {
    const auto wanted = wanted_.find(digest);
    ShelfStatus image{.digest = digest, .name = shelf->image().info.name, .ready = shelf->ready()};
    image.preparing = shelf->members().size() - image.ready;
    image.wanted = wanted == wanted_.end() ? 0 : wanted->second;
    image.wish = demand_.wishFor(digest);
    image.taken = shelf->taken();
    status.images.push_back(std::move(image));
  }
  return status;
}

/** Sends all members home and waits until they have gone: each closes its end when nothing of it is left. */
void Keeper::closeAll() {
  (void)unlink(keeperSocket(engine_.paths()).c_str());
  const std::uint64_t end = monotonicUs() + std::uint64_t{kGoodbyeMs} * 1000;
  std::vector<pollfd> left;
  for (const auto& [digest, shelf] : shelves_) {
    shelf->hide(engine_.paths());
    for (const Idle& idle : shelf->members()) {
      (void)shutdown(idle.socket.get(), SHUT_WR);
      left.push_back({idle.socket.get(), POLLIN, 0});
    }
  }
  while (!left.empty() && monotonicUs() < end) {
    if (poll(left.data(), left.size(), 100) < 0 && errno != EINTR) return;
    std::erase_if(left, [](const pollfd& entry) {
      char text[512];
      return entry.revents != 0 && recv(entry.fd, text, sizeof text, MSG_DONTWAIT) == 0;
    });
  }
}

}  // namespace lightv
