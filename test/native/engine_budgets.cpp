// Budgets of a sandbox that are no cgroup's: the writable layer's size, the log's rate, limits of its processes.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#include "engine_fixture.hpp"
#include "monitor/bounded_layer.hpp"

using namespace enginetest;

namespace {

constexpr std::uint64_t kSize = 24U << 20;

/** Loop devices of bounded layers below `directory`. */
unsigned loopsBelow(const std::string& directory) {
  unsigned count = 0;
  const auto devices = listDir("/sys/block");
  for (const std::string& name : devices ? *devices : std::vector<std::string>()) {
    const auto behind = readFile("/sys/block/" + name + "/loop/backing_file");
    if (behind && behind->starts_with(directory) && behind->find("layer.ext4") != std::string::npos) count++;
  }
  return count;
}

bool isMountedAt(const std::string& path) {
  const auto mounts = readFile("/proc/self/mountinfo", 16U << 20);
  return mounts && mounts->find(" " + path + " ") != std::string::npos;
}

/** False, with the reason, where a bounded layer can't be made. */
bool canBound() {
  const auto overlay = liesOnOverlay("/tmp");
  if (overlay && !*overlay && (exists("/sbin/mkfs.ext4") || exists("/usr/sbin/mkfs.ext4"))) return true;
  MESSAGE("skipped: needs mkfs.ext4, and a directory that is not on an overlay");
  return false;
}

/** A tmpfs of the host's. */
class HostTmpfs {
 public:
  HostTmpfs() { mounted_ = ::mount("tmpfs", path().c_str(), "tmpfs", 0, "size=2m") == 0; }
  HostTmpfs(const HostTmpfs&) = delete;
  HostTmpfs& operator=(const HostTmpfs&) = delete;
  ~HostTmpfs() {
    if (mounted_) (void)::umount2(path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] const std::string& path() const { return directory_.path(); }

 private:
  lvtest::TempDir directory_;
  bool mounted_ = false;
};

std::uint64_t sizeOf(const std::string& path) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 ? fs.f_blocks * static_cast<std::uint64_t>(fs.f_bsize) : 0;
}

std::uint64_t usedOf(const std::string& path) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 ? (fs.f_blocks - fs.f_bfree) * static_cast<std::uint64_t>(fs.f_bsize) : 0;
}

}  // namespace

TEST_CASE(
    "budget: a writable layer of bounded size ends in ENOSPC, keeps what it has over a restart, and goes with it") {
  if (!canRun()) return;
  const Home home;
  if (!canBound()) return;
  CreateRequest request = home.shell(
      "cat /kept 2>/dev/null; echo kept >/kept; dd if=/dev/zero of=/x bs=1M 2>&1 | head -1; exec sleep 1000");
  request.spec.storageSizeBytes = kSize;
  const std::string id = home.run(std::move(request));
  const std::string directory = SandboxFiles(home.engine().paths(), id).directory();
  CHECK_FALSE(isMountedAt(directory + "/layer"));
  CHECK(loopsBelow(home.engine().paths().root) == 1);
  const auto isFull = [&] {
    const auto stats = home.engine().stats(id);
    return stats && stats->layerLimitBytes && *stats->layerUsedBytes > *stats->layerLimitBytes * 9 / 10;
  };
  CHECK(eventually(isFull));
  const auto stats = home.engine().stats(id);
  REQUIRE(stats.ok());
  CHECK(*stats->layerLimitBytes <= kSize);
  const auto log = [&] {
    const auto text = readFile(directory + "/log/log");
    return text ? *text : std::string();
  };
  CHECK(eventually([&] { return log().find("No space left on device") != std::string::npos; }));
  CHECK(log().find(" F kept\n") == std::string::npos);
  REQUIRE(home.engine().stop(id, SIGKILL, 0).ok());
  REQUIRE(home.engine().start(id, {}).ok());
  CHECK(eventually([&] { return log().find(" F kept\n") != std::string::npos; }));
  REQUIRE(home.engine().remove(id, true, true).ok());
  CHECK(eventually([&] { return loopsBelow(home.engine().paths().root) == 0; }));
  CHECK(home.isQuiet());
}

TEST_CASE("budget: a layer that the disk has no room for is refused at the start, with nothing left of it") {
  if (!canRun()) return;
  const lvtest::TempDir home;
  const std::string disk = home.at("disk");
  REQUIRE(makeDirs(disk).ok());
  REQUIRE(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m") == 0);
  {
    const auto layer = BoundedLayer::open(disk, kSize);
    CHECK_FALSE(layer.ok());
    CHECK(layer.error().err == ENOSPC);
    const auto left = listDir(disk);
    CHECK((left && left->empty()));
  }
  CHECK(::umount2(disk.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("budget: what a start that was killed left mounted is taken away by the next one, and by the removal") {
  if (!canRun()) return;
  const Home home;
  if (!canBound()) return;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.storageSizeBytes = kSize;
  const std::string id = home.make(std::move(request));
  const std::string directory = SandboxFiles(home.engine().paths(), id).directory();
  const auto killed = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto layer = BoundedLayer::open(directory, kSize);
      ::_exit(layer.ok() ? 0 : 1);  // without a destructor, as by SIGKILL
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(isMountedAt(directory + "/layer"));
  };
  killed();
  REQUIRE(home.engine().start(id, {}).ok());
  CHECK_FALSE(isMountedAt(directory + "/layer"));
  CHECK(loopsBelow(home.engine().paths().root) == 1);
  REQUIRE(home.engine().stop(id, SIGKILL, 0).ok());
  CHECK(eventually([&] { return loopsBelow(home.engine().paths().root) == 0; }));
  killed();
  REQUIRE(home.engine().remove(id, true, true).ok());
  CHECK_FALSE(exists(directory));
  CHECK(eventually([&] { return loopsBelow(home.engine().paths().root) == 0; }));
}

TEST_CASE("budget: a running layer grows where the kernel lets it, and shrinks never; an unbounded one gets no bound") {
  if (!canRun()) return;
  const Home home;
  if (!canBound()) return;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.storageSizeBytes = kSize;
  const std::string id = home.run(std::move(request));
  const auto limit = [&] { return home.engine().stats(id)->layerLimitBytes.value_or(0); };
  const std::uint64_t before = limit();
  CHECK(home.engine().update(id, {.storageSizeBytes = kSize / 2}).error().err == EINVAL);
  const Status grown = home.engine().update(id, {.storageSizeBytes = kSize * 2});
  if (!grown && grown.error().err == EPERM) {
    MESSAGE("not grown: needs CAP_SYS_RESOURCE");
    CHECK(limit() == before);
    CHECK(home.info(id).spec.storageSizeBytes == kSize);
  } else {
    CHECK(grown.ok());
    CHECK(limit() > before + kSize / 2);
    CHECK(home.info(id).spec.storageSizeBytes == kSize * 2);
  }
  const std::string other = home.run(home.request({"/bin/sleep", "1000"}));
  CHECK(home.engine().update(other, {.storageSizeBytes = kSize}).error().err == EINVAL);
}

TEST_CASE("budget: a tmpfs of a running sandbox takes another size, and nothing else that lies there does") {
  if (!canRun()) return;
  const Home home;
  const HostTmpfs hosts;
  for (const UserNamespace users : {UserNamespace::host, UserNamespace::automatic}) {
    // What a workload can do: exchange the directories above, so that the host's own lies where its tmpfs lay.
    CreateRequest request = home.shell(
        "trap 'busybox mv /a /c && busybox mv /b /a; echo \"moved: $?\"' USR1;"
        "dd if=/dev/zero of=/a/own/full bs=1M count=3; while :; do sleep 0.05; done");
    request.spec.userns = users;
    request.spec.mounts = {{.kind = MountKind::tmpfs, .target = "/a/own", .sizeBytes = 4U << 20},
                           {.kind = MountKind::bind, .source = hosts.path(), .target = "/b/own"}};
    const std::string id = home.run(std::move(request));
    const std::string inside = "/proc/" + std::to_string(home.info(id).initPid) + "/root";
    REQUIRE(home.engine().update(id, {.tmpfsSizes = {{"/a/own", 8U << 20}, {"/dev/shm", 1U << 20}}}).ok());
    CHECK(sizeOf(inside + "/a/own") == 8U << 20);
    CHECK(sizeOf(inside + "/dev/shm") == 1U << 20);
    CHECK(home.info(id).spec.mounts[0].sizeBytes == 8U << 20);
    CHECK(home.info(id).spec.shmSizeBytes == 1U << 20);

    CHECK(home.engine().update(id, {.tmpfsSizes = {{"/b/own", 8U << 20}}}).error().err == EINVAL);
    REQUIRE(eventually([&] { return usedOf(inside + "/a/own") == 3U << 20; }));
    CHECK(home.engine().update(id, {.tmpfsSizes = {{"/a/own", 1U << 20}}}).error().err == EBUSY);

    REQUIRE(home.engine().kill(id, SIGUSR1).ok());
    REQUIRE(eventually([&] { return home.log(id).find("moved: ") != std::string::npos; }));
    CHECK(home.log(id).find("moved: 0") != std::string::npos);
    const std::uint64_t before = sizeOf(hosts.path());
    CHECK(home.engine().update(id, {.tmpfsSizes = {{"/a/own", 64U << 20}}}).error().err == EINVAL);
    CHECK(sizeOf(hosts.path()) == before);
    CHECK(home.info(id).spec.mounts[0].sizeBytes == 8U << 20);
    REQUIRE(home.engine().remove(id, true, true).ok());
  }
}

TEST_CASE("budget: a running sandbox takes another log rate and other limits of its processes") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.run(home.shell("while :; do echo a line that comes again and again; done"));
  REQUIRE(home.engine().update(id, {.log = LogOptions{.rateBytes = 4096, .burstBytes = 65'536}}).ok());
  CHECK(eventually([&] { return home.info(id).logDroppedLines > 100; }));
  CHECK(home.engine().stats(id)->logDroppedBytes > 1000);
  CHECK(home.info(id).spec.log.rateBytes == 4096);

  const pid_t pid = home.info(id).pid;
  REQUIRE(home.engine().update(id, {.rlimits = std::vector<Rlimit>{{"nofile", 33, 44}}}).ok());
  rlimit now{};
  REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &now) == 0);
  CHECK(now.rlim_cur == 33);
  CHECK(now.rlim_max == 44);
  CHECK(home.info(id).spec.rlimits.size() == 1);
  CHECK(home.engine().update(id, {.rlimits = std::vector<Rlimit>{{"nonsense", 1, 1}}}).error().err == EINVAL);

  REQUIRE(home.engine().kill(id, SIGKILL).ok());
  REQUIRE(eventually([&] { return home.info(id).status == SandboxStatus::exited; }));
  CHECK(home.info(id).logDroppedLines > 100);
}
