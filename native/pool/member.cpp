#include "pool/member.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "core/cgroup_tree.hpp"
#include "core/root_fs.hpp"
#include "engine/draft.hpp"
#include "engine/engine.hpp"
#include "engine/merge.hpp"
#include "engine/names.hpp"
#include "engine/pool_talk.hpp"
#include "monitor/control.hpp"
#include "monitor/host_ids.hpp"
#include "monitor/id_ranges.hpp"
#include "monitor/life.hpp"
#include "monitor/lock.hpp"
#include "monitor/monitor.hpp"
#include "monitor/prepared.hpp"
#include "monitor/removal.hpp"
#include "pool/fit.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/start_area.hpp"
#include "sys/time.hpp"

namespace lightv {
namespace {

/** More than the order to a parked process takes (core/order.hpp): what would not fit into a message is left to others.
 */
std::size_t orderSize(const Spec& spec) {
  constexpr std::size_t kFrame = 1024, kEach = 8, kLongestPath = 4096;
  std::size_t size = kFrame + kLongestPath + spec.cwd.size();
  for (const std::string& arg : spec.args) size += arg.size() + kEach;
  for (const std::string& entry : spec.env) {
    size += entry.size() + kEach;
    if (!entry.starts_with("PATH=") || spec.args.empty()) continue;
    // Each part of it becomes a path to try.
    const auto parts = static_cast<std::size_t>(std::count(entry.begin(), entry.end(), ':')) + 1;
    size += entry.size() + parts * (spec.args[0].size() + kEach);
  }
  return size;
}

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
  Member(const Paths& paths, const PoolImage& image, std::string cgroupParent, Fd listener, Fd keeper)
      : paths_(paths),
        image_(image),
        cgroupParent_(std::move(cgroupParent)),
        listener_(std::move(listener)),
        keeper_(std::move(keeper)) {}

  int run() {
    if (const Status made = make(); !made) {
      (void)sendMessage(keeper_.get(), made.error().message());
      takeBack();
      return 1;
    }
    rehearse();
    tellKeeper(kMemberReady);
    if (!waitForRequest()) {
      takeBack();
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
  };

  [[nodiscard]] const SandboxFiles& files() const { return *files_; }
  void tellKeeper(char word) const { (void)::send(keeper_.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

  Status make() {
    if (Status joined = ensureMonitorGroup(cgroupParent_); !joined) return joined;
    Result<SandboxFiles> files = takeFreshId(paths_);
    if (!files) return files.error();
    files_.emplace(std::move(*files));
    area_.setTitle("lightv-prepared " + files_->id());
    Result<Fd> lock = lockForMonitor(this->files());
    if (!lock) return lock.error();
    if (Status directory = makeDirs(this->files().newDirectory()); !directory) return directory;
    // Should this process be killed, the sweep finds the cgroup by it.
    const std::string mark = preparedMark(this->files());
    if (Status marked = writeFileAtomic(mark, cgroupParent_); !marked) return marked;
    Result<Fd> images = openFile(paths_.root + "/images", O_RDONLY | O_DIRECTORY);
    if (!images) return images.error();
    images_ = std::move(*images);
    if (Status named = claimSomeName(); !named) return named;
    CreateRequest request;
    request.image = image_.info.digest;
    request.command = {"-"};
    Result<Spec> spec = merge(std::move(request));
    if (!spec) return spec.error();
    spec_ = std::move(*spec);
    Fd ids;
    if (Status given = giveIds(this->files(), spec_, ids); !given) return given;
    Result<Prepared> prepared = prepareSandbox(spec_, this->files(), image_.mount.get(), std::move(*lock));
    if (!prepared) return prepared.error();
    prepared_ = std::move(*prepared);
    prepared_.run.execution.ids = std::move(ids);
    if (prepared_.run.hostIds) takeHostIds();
    for (std::size_t i = 0; i < ownLimits_.size(); i++) {
      (void)::getrlimit64(static_cast<__rlimit_resource>(i), &ownLimits_[i]);
    }
    return {};
  }

  /** There was no user namespace to be had. */
  void takeHostIds() {
    prepared_.run.execution.ids.reset();
    releaseIds(files(), std::exchange(spec_.idBase, 0));
    lightv::takeHostIds(spec_, *prepared_.run.hostIds);
  }

  /** What is decided for the sandbox that stands holds for the request, unless it insists. */
  void adoptIds(Spec& spec) const {
    if (spec.userns != UserNamespace::automatic) return;
    spec.idBase = spec_.idBase;
    if (spec.usernsRequired) return;
    spec.userns = spec_.userns;
    spec.usernsFallback = spec_.usernsFallback;
  }

  /**
   * Goes a request's way once, without effect: of what it touches the kernel copies or maps each page when that is
   * touched first, and no caller shall wait for it.
   */
  void rehearse() const {
    PoolRequest sample{.root = paths_.root, .hasStdout = true, .hasStderr = true, .callerLimits = true};
    sample.create.image = image_.info.digest;
    sample.create.command = {"/bin/sh", "-c", "true"};
    sample.create.spec.env = {"A=B"};
    sample.create.spec.autoRemove = true;
    const Result<PoolRequest> request = parsePoolRequest(toJson(sample));
    if (!request) return;
    Result<Spec> spec = merge(request->create);
    if (!spec) return;
    adoptIds(*spec);
    if (!fits(*spec, spec_) || orderSize(*spec) > kMaxMessageBytes) return;
    rehearseOrder(prepared_.run.parked, *spec);
    (void)toJson(*spec);
  }

  /** A name of its own, so that a request without one need not look for it. */
  Status claimSomeName() {
    Status claimed;
    for (unsigned attempt = 0; attempt < 8; attempt++) {
      const Result<std::string> name = generateName(attempt);
      if (!name) return name.error();
      claimed = claimName(paths_, *name, files().id());
      if (claimed.ok()) name_ = *name;
      if (claimed.ok() || claimed.error().err != EEXIST) break;
    }
    return claimed;
  }

  Result<Spec> merge(CreateRequest request) const {
    MergeContext context{files().id(), timeNow(), paths_.root, "", cgroupParent_, {}};
    if (countAnonymousVolumes(request, image_.info.config) > 0) return Error{"prepare", ENOTSUP, "volumes"};
    Result<Spec> spec = mergeImage(std::move(request), image_.info, context);
    if (spec) spec->imagePath = image_.path;
    return spec;
  }

  /** True when a request has been taken; false when the keeper wants this member to go, or it is of no use any more. */
  bool waitForRequest() {
    // Members, because to close them would keep the order waiting.
    events_.reset(::epoll_create1(EPOLL_CLOEXEC));
    // Exclusive: of many that wait at one socket only one wakes up for a request.
    watch(listener_.get(), EPOLLIN | EPOLLEXCLUSIVE);
    watch(keeper_.get(), EPOLLIN);
    watch(prepared_.run.parked.gate.get(), EPOLLIN);
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
      if (spoiled_) return false;
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
    if (!request || request->root != paths_.root) return false;
    const std::string name = request->create.spec.name;
    Result<Spec> spec = merge(request->create);
    if (!spec) return false;
    if (spec->name.empty()) spec->name = name_;
    adoptIds(*spec);
    if (!fits(*spec, spec_) || orderSize(*spec) > kMaxMessageBytes) return false;
    peer_ = *peer;
    Taken taken{std::move(connection), std::move(*message), std::move(*request), std::move(*spec), {}};
    if (!findUser(taken) || !secure(taken.spec)) return false;
    if (taken.spec.hostname != spec_.hostname) spoiled_ = !renameHost(prepared_.run.parked, taken.spec).ok();
    if (spoiled_) return false;
    taken_.emplace(std::move(taken));
    return true;
  }

  [[nodiscard]] bool findUser(Taken& taken) const {
    const Spec& wanted = taken.spec;
    if (wanted.user == spec_.user && wanted.groupAdd == spec_.groupAdd) {
      taken.user = prepared_.run.parked.user;
      return true;
    }
    const Result<Fd> root = openRoot();
    if (!root) return false;
    Result<UserIds> user = resolveUser(RootFs(root->get()), wanted.user, wanted.groupAdd);
    if (user) taken.user = std::move(*user);
    return user.ok();
  }

  /** The sandbox's own root, as its processes see it. */
  [[nodiscard]] Result<Fd> openRoot() const {
    return openFile("/proc/" + std::to_string(prepared_.run.parked.launched.initPid) + "/root", O_PATH | O_DIRECTORY);
  }

  /**
   * What has to be sure before anything runs: nobody removes the image meanwhile (Engine::create), and the name is
   * ours. On failure nothing has changed.
   */
  bool secure(const Spec& spec) {
    if (::flock(images_.get(), LOCK_SH) != 0) return false;
    if (::access(image_.path.c_str(), F_OK) == 0 && claimOwn(spec)) return true;
    (void)::flock(images_.get(), LOCK_UN);
    return false;
  }

  bool claimOwn(const Spec& spec) {
    if (spec.name == name_) return true;
    if (!isSandboxName(spec.name) || !claimName(paths_, spec.name, files().id())) return false;
    oldName_ = std::exchange(name_, spec.name);
    return true;
  }

  /**
   * Makes it a sandbox that everybody sees, while its program begins: the caller hears of it afterwards, and what it
   * could have done meanwhile it did inside.
   */
  Status publish(const Spec& spec) {
    const std::string config = files().newDirectory() + "/config.json";
    Result<Fd> file = openFile(config, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!file) return file.error();
    if (Status written = writeAll(file->get(), toJson(spec), config); !written) return written;
    // On the disk before it is seen: a power cut must not leave a sandbox without its configuration.
    if (isDurable(spec)) {
      if (::fsync(file->get()) != 0) return Error{"fsync", errno, config};
      if (Status synced = syncDir(files().newDirectory()); !synced) return synced;
    }
    if (::rename(files().newDirectory().c_str(), files().directory().c_str()) != 0) {
      return Error{"rename", errno, files().newDirectory()};
    }
    (void)::flock(images_.get(), LOCK_UN);
    return isDurable(spec) ? syncDir(paths_.root + "/sandboxes") : Status();
  }

  int live() {
    Taken taken = std::move(*taken_);
    ControlAnswer word;
    word.id = files().id();
    // From here on the caller waits for how it went, and tries nothing else.
    if (!sendMessage(taken.connection.get(), toJson(word))) {
      takeBack();
      return 1;
    }
    // A disk that is slow to sync must not have the keeper take this one for free meanwhile.
    if (isDurable(taken.spec)) tellTaken();
    (void)::fcntl(taken.connection.get(), F_SETFL, O_NONBLOCK);
    callerLimits_ = limitsOf(taken.request);
    Order order{.user = std::move(taken.user), .limits = callerLimits_};
    ControlRequest start{.op = ControlOp::start, .wantStdin = taken.request.wantStdin};
    start.hasStdout = taken.request.hasStdout;
    start.hasStderr = taken.request.hasStderr;
    if (taken.spec.limits != spec_.limits)
      prepared_.run.execution.cgroup.limit(taken.spec.limits, prepared_.run.execution.warnings);
    warnOfHostIds(paths_, taken.spec, true, prepared_.run.execution.warnings);
    Life life(files(), taken.spec);
    const auto meanwhile = [&] { return publish(taken.spec); };
    const bool begun = life.beginPrepared(std::move(taken.connection), std::move(taken.message), start,
                                          std::move(prepared_), std::move(order), meanwhile);
    // Its pids are another's now: whoever takes back must not send them a signal.
    prepared_ = Prepared();
    leavePool(taken.spec);
    if (begun) {
      life.later([this] { clearTraces(); });
      life.serve();
      return 0;
    }
    clearTraces();
    // One that never became visible leaves nothing; one whose program can't be executed is there with its exit.
    if (!exists(files().directory())) takeBack();
    return 1;
  }

  void tellTaken() {
    if (!told_) tellKeeper(kMemberTaken);
    told_ = true;
  }

  void keepLimits() const {
    for (const ResourceLimit& limit : callerLimits_) {
      const rlimit64 value{limit.soft, limit.hard};
      (void)::setrlimit64(static_cast<__rlimit_resource>(limit.resource), &value);
    }
  }

  /** Nothing of the pool stays with what is a sandbox's monitor now. */
  void leavePool(const Spec& spec) {
    tellTaken();
    // Runs after the first begin with what its monitor has, as those of any other monitor do.
    if (spec.restart.when != RestartWhen::no) keepLimits();
    for (Fd* file : {&keeper_, &listener_, &images_, &events_, &signals_}) file->reset();
    (void)::close(image_.mount.get());
    area_.setTitle("lightv-monitor " + spec.id);
    (void)::prctl(PR_SET_NAME, "lightv-monitor");
  }

  /** An unlink may wait for the disk: a program that ends at once has ended by then. */
  void clearTraces() {
    (void)::unlink((files().directory() + kPreparedMark).c_str());
    if (!oldName_.empty()) (void)freeName(paths_, oldName_, files().id());
  }

  /** The caller's, as if the workload were his child. */
  [[nodiscard]] std::vector<ResourceLimit> limitsOf(const PoolRequest& request) const {
    std::vector<ResourceLimit> limits;
    if (!request.callerLimits) return limits;
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); resource++) {
      rlimit64 his{};
      const rlimit64& ours = ownLimits_[static_cast<std::size_t>(resource)];
      if (::prlimit64(peer_.pid, static_cast<__rlimit_resource>(resource), nullptr, &his) != 0) continue;
      if (his.rlim_cur != ours.rlim_cur || his.rlim_max != ours.rlim_max) {
        limits.push_back({resource, his.rlim_cur, his.rlim_max});
      }
    }
    return limits;
  }

  /** As if it had never been. */
  void takeBack() {
    dropRun(prepared_.run);
    if (!files_) return;
    (void)freeName(paths_, name_, files().id());
    (void)removeTree(files().newDirectory());
    (void)deleteHidden(files(), spec_.idBase);
  }

  const Paths paths_;
  const PoolImage& image_;
  const std::string cgroupParent_;
  Fd listener_, keeper_, images_, events_, signals_;
  StartArea area_ = StartArea::find();
  std::optional<SandboxFiles> files_;
  std::string name_, oldName_;
  Spec spec_;  // of what stands
  Prepared prepared_;
  Peer peer_;
  std::array<rlimit64, RLIM_NLIMITS> ownLimits_{};
  std::optional<Taken> taken_;
  std::vector<ResourceLimit> callerLimits_;
  bool told_ = false;     // the keeper, that this one is taken
  bool spoiled_ = false;  // half of a request is applied: it serves no other
};

}  // namespace

int memberMain(const Paths& paths, const PoolImage& image, const std::string& cgroupParent, Fd listener, Fd keeper) {
  if (::setsid() < 0 && errno != EPERM) return 1;
  settleAsMonitor("lightv-prepared");
  (void)::prctl(PR_SET_NAME, kIdleName);
  if (::chdir("/") != 0) return 1;
  return Member(paths, image, cgroupParent, std::move(listener), std::move(keeper)).run();
}

}  // namespace lightv
