// A request's own mounts in a prepared sandbox: the same as from nothing, and a failure costs nobody anything.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cstdio>

#include "pool_looks.hpp"
#include "sys/syscalls.hpp"

using namespace pooltest;

namespace {

/** A directory of the host's with a file in it, both of another user. */
struct HostTree {
  lvtest::TempDir dir;
  std::string path = dir.at("host"), file = path + "/file";
  HostTree() {
    REQUIRE(makeDirs(path, 0755).ok());
    REQUIRE(writeFileAtomic(file, "from the host", 0644).ok());
    REQUIRE(::chown(path.c_str(), 1000, 1000) == 0);
  }
};

/** The ids of a tmpfs can be mapped since Linux 6.3; before, such a bind is refused, and the start is one from nothing.
 */
bool mapsTmpfs() {
  utsname name{};
  int major = 0;
  int minor = 0;
  REQUIRE(::uname(&name) == 0);
  REQUIRE(std::sscanf(name.release, "%d.%d", &major, &minor) == 2);  // NOLINT(cert-err34-c): the kernel's own
  return major > 6 || (major == 6 && minor >= 3);
}

std::vector<Mount> allKinds(const HostTree& host) {
  return {{.source = host.path, .target = "/data"},
          {.source = host.path, .target = "/data/inner/deep", .readOnly = true},
          {.source = host.file, .target = "/etc/one-file"},
          {.kind = MountKind::volume, .target = "/new/volume", .volume = "named"},
          {.kind = MountKind::tmpfs, .target = "/tmp", .sizeBytes = 1U << 20},
          {.kind = MountKind::tmpfs, .target = "/scratch", .readOnly = true}};
}

constexpr const char* kFiles =
    "exec 2>/dev/null; for f in /data /data/file /data/inner /data/inner/deep/file /etc/one-file /new /new/volume /tmp "
    "/scratch; do "
    "stat -c '%n %u %g %a %F' $f; done; cat /data/file /etc/one-file; echo x > /data/inner/deep/x; echo x > "
    "/scratch/x; "
    "echo x > /tmp/x && cat /tmp/x";

}  // namespace

TEST_CASE("pool mounts: binds, volumes and tmpfs are what they are from nothing") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 2);
  const HostTree host;
  for (const std::string user : {"", "1000:1000"}) {
    for (const char* script : {kMounts, kFiles}) {
      CreateRequest request = pool.shell(script);
      request.spec.mounts = allKinds(host);
      request.userGiven = !user.empty();
      request.spec.user = user;
      const Ran prepared = runPrepared(home, request);
      REQUIRE(prepared.prepared);
      CHECK(prepared.out.find(script == kMounts ? "/data/inner/deep" : "from the host") != std::string::npos);
      const Ran cold = runCold(home, request);
      INFO(cold.error.message());
      CHECK(cold.exit.exitCode == prepared.exit.exitCode);
      CHECK(differences(lookOf(prepared), lookOf(cold)).empty());
      REQUIRE(pool.awaitReady(2));
    }
  }
}

TEST_CASE("pool mounts: what is written is the host's to keep, and the next run sees nothing of it") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 2);
  const HostTree host;
  CreateRequest writer = pool.shell("echo bind > /mine/new; echo volume > /kept/new; mkdir /kept/directory");
  writer.spec.mounts = {{.source = host.path, .target = "/mine"},
                        {.kind = MountKind::volume, .target = "/kept", .volume = "kept"}};
  const Ran wrote = runPrepared(home, writer);
  REQUIRE(wrote.prepared);
  CHECK(wrote.exit.exitCode == 0);
  CHECK(*readFile(host.path + "/new") == "bind\n");
  CHECK(*readFile(home.paths().root + "/volumes/kept/_data/new") == "volume\n");
  struct stat info {};
  REQUIRE(::stat((home.paths().root + "/volumes/kept/_data/directory").c_str(), &info) == 0);
  CHECK(info.st_uid == 0);
  CHECK(home.info(wrote.id).spec.mounts.size() == 2);
  const Ran next = runPrepared(home, pool.shell("ls /mine /kept; cat /proc/self/mountinfo"));
  REQUIRE(next.prepared);
  for (const char* trace : {"new", " /mine ", " /kept "}) CHECK(next.out.find(trace) == std::string::npos);
  // Started again, from nothing, it has them too.
  const auto again = home.engine().start(wrote.id, {});
  REQUIRE(again.ok());
  CHECK(receiveExit(again->control.get()).exitCode == 1);  // mkdir: the directory is there
}

TEST_CASE("pool mounts: volumes without a name are made, and go with --rm, also when nobody takes the request") {
  if (!canRun()) return;
  const Home home;
  Pool pool(home, 2);
  CreateRequest request = pool.shell("echo x > /anonymous/x && cat /anonymous/x");
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/anonymous"}};
  request.spec.autoRemove = true;
  const Ran ran = runPrepared(home, request);
  REQUIRE(ran.prepared);
  CHECK(ran.out.find('x') != std::string::npos);
  const auto hasNone = [&] { return home.entries(home.paths().root + "/volumes").empty(); };
  CHECK(eventually(hasNone));
  request.spec.mounts.push_back({.source = "/no/such/directory", .target = "/data"});
  CHECK_FALSE(runPrepared(home, request).prepared);
  CHECK(hasNone());
  pool.end(SIGTERM);
  CHECK(isClean(home));
}

TEST_CASE("pool mounts: a request that nobody takes costs no volume that was there before") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  // As those are called that were made without a name.
  const std::string name(64, 'a');
  const std::string data = home.paths().root + "/volumes/" + name + "/_data";
  REQUIRE(makeDirs(data).ok());
  REQUIRE(writeFileAtomic(data + "/file", "kept").ok());
  CreateRequest request = pool.shell("cat /kept/file");
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/kept", .volume = name},
                         {.source = "/no/such/directory", .target = "/data"}};
  request.spec.autoRemove = true;
  CHECK_FALSE(runPrepared(home, request).prepared);
  request.spec.mounts.pop_back();
  CHECK(runPrepared(home, request).out == "kept");
  CHECK(*readFile(data + "/file") == "kept");
}

TEST_CASE("pool mounts: the files that say the host name are the sandbox's own, or stay as they are") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const std::string etc = "/dev/shm/lightv-test-" + std::to_string(::getpid());
  REQUIRE(makeDirs(etc).ok());
  for (const char* file : {"/hosts", "/hostname"}) REQUIRE(writeFileAtomic(etc + file, "the host's").ok());
  CreateRequest request = pool.shell("cat /etc/hosts");
  request.spec.mounts = {{.source = etc, .target = "/etc"}};
  request.spec.hostname = "another";
  request.hostnameGiven = true;
  const Ran ran = runPrepared(home, request);
  CHECK(ran.prepared == mapsTmpfs());
  if (ran.prepared) CHECK(ran.out == "the host's");
  for (const char* file : {"/hosts", "/hostname"}) CHECK(*readFile(etc + file) == "the host's");
  CHECK(removeTree(etc).ok());
}

TEST_CASE("pool mounts: a source that is missing costs no prepared sandbox, and the start from nothing tells") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const std::vector<pid_t> before = pool.idle();
  CreateRequest request = pool.shell("true");
  for (const Mount& bad : std::vector<Mount>{{.source = "/no/such/directory", .target = "/data"},
                                             {.source = "/tmp", .target = "/data/../../x"},
                                             {.source = "/tmp", .target = "/dev/x"},
                                             {.source = "/tmp", .target = "/proc/x"}}) {
    request.spec.mounts = {bad};
    CHECK_FALSE(runPrepared(home, request).prepared);
  }
  request.spec.mounts = {{.source = "/no/such/directory", .target = "/data"}};
  CHECK(runCold(home, request).error.err == ENOENT);
  CHECK(pool.idle() == before);
}

TEST_CASE("pool mounts: an image's links lead nowhere outside, and a sandbox that is spoiled by one is not used") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const HostTree host;
  CreateRequest request = pool.shell("cat /tmp/lightv-late/file");
  request.spec.mounts = {{.source = host.path, .target = "/to-host-tmp/lightv-late"}};
  const Ran inside = runPrepared(home, request);
  REQUIRE(inside.prepared);
  CHECK(inside.out == "from the host");
  CHECK_FALSE(exists("/tmp/lightv-late"));
  REQUIRE(pool.awaitReady(1));
  const std::vector<pid_t> before = pool.idle();
  // Not in one of them, nor from nothing.
  request.spec.mounts = {{.source = host.path, .target = "/to-proc"}};
  request.spec.name = "wanted";
  CHECK_FALSE(runPrepared(home, request).prepared);
  // The name is free again at once, and so it is the mount that is told of.
  CHECK(runCold(home, request).error.op != "");
  REQUIRE(home.engine().find("wanted").ok());
  // There may be more than one: the pool has learned of the starts above. The one that was asked has gone.
  CHECK(eventually([&] {
    const std::vector<pid_t> idle = pool.idle();
    const auto hasGone = [&](pid_t pid) { return std::find(idle.begin(), idle.end(), pid) == idle.end(); };
    return std::any_of(before.begin(), before.end(), hasGone);
  }));
  REQUIRE(pool.awaitReady(1));
  const Ran next = runPrepared(home, pool.shell("cat /proc/self/mountinfo"));
  REQUIRE(next.prepared);
  CHECK(next.out.find("/host ") == std::string::npos);
}

TEST_CASE(
    "pool mounts: without pidfds in setns(2), and where mounts can't be given attributes before they are attached") {
  if (!canRun()) return;
  const HostTree host;
  CreateRequest request;
  {
    const Home home;
    const sys::MissingCall missing(sys::Call::setnsPidfd);
    const Pool pool(home);
    request = pool.shell("cat /data/file");
    request.spec.mounts = {{.source = host.path, .target = "/data"}};
    const Ran ran = runPrepared(home, request);
    REQUIRE(ran.prepared);
    CHECK(ran.out == "from the host");
  }
  const Home home;
  const sys::MissingCall missing(sys::Call::mountSetattr);
  const Pool pool(home);
  request = pool.shell("cat /data/file");
  request.spec.mounts = {{.source = host.path, .target = "/data"}};
  CHECK_FALSE(runPrepared(home, request).prepared);
  CHECK(runCold(home, request).out == "from the host");
}

TEST_CASE("pool mounts: paths are those of the caller; the agent, whom its unit confines, means the host's") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 2);
  const HostTree host;
  CreateRequest request = pool.shell("cat /data/file");
  request.spec.mounts = {{.source = host.path, .target = "/data"}};
  const pid_t confined = ::fork();
  REQUIRE(confined >= 0);
  if (confined == 0) {
    const bool hidden = ::unshare(CLONE_NEWNS) == 0 &&
                        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                        ::mount("tmpfs", host.path.c_str(), "tmpfs", 0, nullptr) == 0;
    const bool refused = !home.engine().startPrepared(request, {}).has_value();
    const bool taken = home.engine().startPrepared(pool.shell("true"), {}).has_value();
    const bool agents = home.engine().startPrepared(request, {.monitorBinary = "/bin/false"}).has_value();
    ::_exit(!hidden ? 2 : !refused ? 3 : !taken ? 4 : !agents ? 5 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(confined, &status, 0) == confined);
  CHECK(WEXITSTATUS(status) == 0);
}
