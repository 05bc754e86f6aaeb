#include "pool/member.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include "engine/draft.hpp"
#include "engine/pool_talk.hpp"
#include "monitor/control.hpp"
#include "monitor/host_ids.hpp"
#include "monitor/life.hpp"
#include "monitor/monitor.hpp"
#include "monitor/removal.hpp"
#include "pool/caller_limits.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/start_area.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

/** Those that end a monitor politely, which are blocked in it. */
Fd openEndSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC));
}

/** Who connects sends at once. */
constexpr int kPatienceMs = 1000;

class Member {
 public:
  Member(Standing& standing, Fd listener, Fd keeper)
      : standing_(standing), listener_(std::move(listener)), keeper_(std::move(keeper)) {}

  int run() {
    if (const Status made = make(); !made) {
      (void)sendMessage(keeper_.get(), made.error().message());
      standing_.takeBack();
      return 1;
    }
    standing_.rehearse();
    tellKeeper(kMemberReady);
    if (!waitForRequest()) {
      standing_.takeBack();
      return 0;
    }
    return live();
  }

 private:
  struct Taken {
    Fd connection;
    Message message;
    PoolRequest request;
    Spec spec;
    UserIds user;
    pid_t caller = 0;
    std::vector<ResourceLimit> limits;  // the caller's
  };

  void tellKeeper(char word) const { (void)::send(keeper_.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

  Status make() {
    Result<Fd> images = openFile(standing_.paths().root + "/images", O_RDONLY | O_DIRECTORY);
    if (!images) return images.error();
    images_ = std::move(*images);
    if (Status made = standing_.make(); !made) return made;
    area_.setTitle("lightv-prepared " + standing_.files().id());
    return {};
  }

  /** True when a request has been taken; false when the keeper wants this member to go, or it is of no use any more. */
  bool waitForRequest() {
    // Members, because to close them would keep the order waiting.
    events_.reset(::epoll_create1(EPOLL_CLOEXEC));
    // Exclusive: of many that wait at one socket only one wakes up for a request.
    watch(listener_.get(), EPOLLIN | EPOLLEXCLUSIVE);
    watch(keeper_.get(), EPOLLIN);
    watch(standing_.prepared().run.parked.gate.get(), EPOLLIN);
    // Blocked for the monitor that it may become: a signal to one that waits means that it shall go.
    signals_ = openEndSignals();
    watch(signals_.get(), EPOLLIN);
    while (true) {
      epoll_event event{};
      const int ready = ::epoll_wait(events_.get(), &event, 1, -1);
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0 || event.data.fd != listener_.get()) return false;
      Result<Fd> connection = acceptConnection(listener_.get());
      if (!connection) return false;
      if (*connection && consider(std::move(*connection))) return true;
      if (!spoiled_) continue;
      tellKeeper(kMemberSpoiled);
      return false;
    }
  }

  void watch(int fd, std::uint32_t what) const {
    epoll_event event{.events = what, .data = {.fd = fd}};
    (void)::epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  /** Takes the request if it is whole, fits, and its caller is still there. Else the caller sees the connection close.
   */
  bool consider(Fd connection) {
    const Result<Peer> peer = peerOf(connection.get());
    if (!peer || (peer->uid != 0 && peer->uid != ::geteuid())) return false;
    Result<Message> message = receiveMessageWithin(connection.get(), kPatienceMs);
    if (!message || message->endOfFile) return false;
    Result<PoolRequest> request = parsePoolRequest(message->text);
    if (!request || request->root != standing_.paths().root) return false;
    Result<Spec> spec = standing_.specFor(request->create);
    if (!spec || !findsPaths(*spec, *request, peer->pid)) return false;
    Taken taken{std::move(connection), std::move(*message), std::move(*request), std::move(*spec), {}, 0, {}};
    if (!become(taken)) return false;
    taken.caller = peer->pid;
    taken_.emplace(std::move(taken));
    return true;
  }

  /**
   * The paths of bind mounts are the caller's, whose child a sandbox from nothing is. The agent's unit may confine it;
   * its sandboxes are the host's (docs/service.md).
   */
  bool findsPaths(const Spec& spec, const PoolRequest& request, pid_t caller) const {
    constexpr pid_t kHost = 1;
    const auto isBind = [](const Mount& mount) { return mount.kind == MountKind::bind; };
    if (std::none_of(spec.mounts.begin(), spec.mounts.end(), isBind)) return true;
    const FileView& home = standing_.place().files;
    if (request.callerLimits) {
      const Result<FileView> his = FileView::of(caller);
      if (!his || *his != home) return false;
    }
    const Result<FileView> own = FileView::own();
    if (own && *own == home) return true;
    // A mount namespace of its own follows the host's, but for mounts below one that is private.
    const pid_t who = request.callerLimits ? caller : kHost;
    return std::all_of(spec.mounts.begin(), spec.mounts.end(), [&](const Mount& mount) {
      return !isBind(mount) || (leadsToTheSame(mount.source, who) && !isWithin(standing_.paths().run, mount.source));
    });
  }

  /**
   * What has to be sure before anything runs. On failure this sandbox is as before, or spoiled; volumes with a name may
   * be there, as behind any start that fails.
   */
  bool become(Taken& taken) {
    Result<UserIds> user = standing_.userOf(taken.spec);
    if (!user || !secure(taken.spec)) return false;
    taken.user = std::move(*user);
    const Result<LateMounts> mounts = standing_.openMounts(taken.spec);
    if (mounts && standing_.furnish(taken.spec, *mounts).ok()) return true;
    spoiled_ = mounts.ok();
    // Before the caller sees his connection close: he starts from nothing then, by the same name.
    standing_.letGoOf(taken.spec);
    (void)::flock(images_.get(), LOCK_UN);
    return false;
  }

  /** Nobody removes the image meanwhile (Engine::create), and the name is ours. */
  bool secure(const Spec& spec) {
    if (::flock(images_.get(), LOCK_SH) != 0) return false;
    if (::access(standing_.image().path.c_str(), F_OK) == 0 && standing_.takeName(spec)) return true;
    (void)::flock(images_.get(), LOCK_UN);
    return false;
  }

  /** While its program begins: the caller hears of it afterwards, and what it could have done meanwhile it did inside.
   */
  Status publish(const Spec& spec) {
    if (Status published = standing_.publish(spec); !published) return published;
    (void)::flock(images_.get(), LOCK_UN);
    return isDurable(spec) ? syncDir(standing_.paths().root + "/sandboxes") : Status();
  }

  int live() {
    Taken taken = std::move(*taken_);
    ControlAnswer word;
    word.id = standing_.files().id();
    // From here on the caller waits for how it went, and tries nothing else.
    if (!sendMessage(taken.connection.get(), toJson(word))) {
      standing_.letGoOf(taken.spec);
      standing_.takeBack();
      return 1;
    }
    // A disk that is slow to sync must not have the keeper take this one for free meanwhile.
    if (isDurable(taken.spec)) tellTaken();
    (void)::fcntl(taken.connection.get(), F_SETFL, O_NONBLOCK);
    if (taken.request.callerLimits) taken.limits = ownLimits_.of(taken.caller);
    Life life(standing_.files(), taken.spec);
    const bool begun = begin(life, taken);
    leavePool(taken);
    if (begun) {
      life.later([this] { standing_.clearTraces(); });
      life.serve();
      return 0;
    }
    standing_.clearTraces();
    // One that never became visible leaves nothing; one whose program can't be executed is there with its exit.
    if (exists(standing_.files().directory())) return 1;
    standing_.letGoOf(taken.spec);
    standing_.takeBack();
    return 1;
  }

  bool begin(Life& life, Taken& taken) {
    Prepared& prepared = standing_.prepared();
    Execution& execution = prepared.run.execution;
    if (taken.spec.limits != standing_.spec().limits) execution.cgroup.limit(taken.spec.limits, execution.warnings);
    warnOfHostIds(standing_.paths(), taken.spec, true, execution.warnings);
    ControlRequest start{.op = ControlOp::start, .wantStdin = taken.request.wantStdin};
    start.hasStdout = taken.request.hasStdout;
    start.hasStderr = taken.request.hasStderr;
    Order order{.user = std::move(taken.user), .limits = taken.limits};
    const auto meanwhile = [&] { return publish(taken.spec); };
    const bool begun = life.beginPrepared(std::move(taken.connection), std::move(taken.message), start,
                                          std::move(prepared), std::move(order), meanwhile);
    standing_.forgetProcesses();
    return begun;
  }

  void tellTaken() {
    if (!told_) tellKeeper(kMemberTaken);
    told_ = true;
  }

  /** Nothing of the pool stays with what is a sandbox's monitor now. */
  void leavePool(const Taken& taken) {
    tellTaken();
    // Runs after the first begin with what its monitor has, as those of any other monitor do.
    if (taken.spec.restart.when != RestartWhen::no) takeLimits(taken.limits);
    for (Fd* file : {&keeper_, &listener_, &images_, &events_, &signals_}) file->reset();
    (void)::close(standing_.image().mount.get());
    area_.setTitle("lightv-monitor " + taken.spec.id);
    (void)::prctl(PR_SET_NAME, "lightv-monitor");
  }

  Standing& standing_;
  Fd listener_, keeper_, images_, events_, signals_;
  StartArea area_ = StartArea::find();
  const CallerLimits ownLimits_;
  std::optional<Taken> taken_;
  bool told_ = false;     // the keeper, that this one is taken
  bool spoiled_ = false;  // half of a request is applied: it serves no other
};

}  // namespace

int memberMain(const Paths& paths, const PoolImage& image, const PoolPlace& place, Fd listener, Fd keeper) {
  if (::setsid() < 0 && errno != EPERM) return 1;
  settleAsMonitor("lightv-prepared");
  (void)::prctl(PR_SET_NAME, kIdleName);
  if (::chdir("/") != 0) return 1;
  Standing standing(paths, image, place);
  return Member(standing, std::move(listener), std::move(keeper)).run();
}

}  // namespace lightv
