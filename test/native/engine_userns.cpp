// A sandbox's ids on the host: a range of its own by default, from its making to its end.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <memory>
#include <set>

#include "cli/describe.hpp"
#include "core/user_namespace.hpp"
#include "monitor/id_guard.hpp"
#include "monitor/id_ranges.hpp"
#include "pool_fixture.hpp"
#include "sys/syscalls.hpp"
#include "warnings.hpp"

using namespace pooltest;

namespace {

/** Can this machine's kernel, and what seems to be missing of it, give a sandbox of the busybox image its own? */
bool hasUserNamespaces() {
  const char* names = std::getenv("LIGHTV_WITHOUT");
  for (const std::string& name : split(names == nullptr ? "" : names, ',')) {
    if (name == "idmap" || name == "userns") return false;
  }
  return true;
}

/** canRun(), and with a user namespace. */
bool canHaveOwn() {
  if (!canRun()) return false;
  if (!hasUserNamespaces()) MESSAGE("skipped: no user namespaces");
  return hasUserNamespaces();
}

/** Starts it, and what it wrote to its log, without the log's own words, once it has ended with 0. */
std::string outputOf(const Home& home, CreateRequest request) {
  const std::string id = home.make(std::move(request));
  const auto started = home.engine().start(id, {});
  INFO(started.error().message());
  REQUIRE(started.ok());
  CHECK(lvtest::unexpected(started->warnings).empty());
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  std::string text;
  for (const std::string& line : split(home.log(id), '\n')) {
    if (const std::size_t at = line.find(" F "); at != std::string::npos) text += line.substr(at + 3) + "\n";
  }
  return text;
}

std::vector<std::string> claims(const Home& home) {
  return home.entries(home.paths().root + "/ids");
}

struct stat statOf(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info;
}

}  // namespace

TEST_CASE("userns: by default a sandbox's root is nobody on the host, and no two sandboxes have an id in common") {
  if (!canHaveOwn()) return;
  const Home home;
  std::set<std::uint32_t> bases;
  for (int i = 0; i < 3; i++) {
    const std::string id = home.run(home.shell("sleep 100"));
    const SandboxInfo info = home.info(id);
    const auto base = idBaseOf(info.pid);
    REQUIRE(base.ok());
    CHECK(*base >= 65536);
    CHECK(*base == info.spec.idBase);
    CHECK(ownsIds(SandboxFiles(home.paths(), id), *base));
    CHECK(statOf("/proc/" + std::to_string(info.pid)).st_uid == *base);
    CHECK(statOf("/proc/" + std::to_string(info.initPid) + "/ns/user").st_ino != statOf("/proc/self/ns/user").st_ino);
    const std::string text = cli::inspectSandbox(home.engine(), info);
    CHECK(text.find(R"("UsernsMode":"auto")") != std::string::npos);
    CHECK(text.find(R"("UidMap":["0:)" + std::to_string(*base) + R"(:65536"])") != std::string::npos);
    bases.insert(*base);
  }
  CHECK(bases.size() == 3);
  CHECK(claims(home).size() == 3);
}

TEST_CASE("userns: a range goes with its sandbox, however that ends") {
  if (!canHaveOwn()) return;
  const Home home;
  SUBCASE("removed") {
    const std::string id = home.make(home.shell("true"));
    CHECK(claims(home).size() == 1);
    CHECK(home.engine().remove(id, false, false).ok());
  }
  SUBCASE("by itself") {
    CreateRequest request = home.shell("true");
    request.spec.autoRemove = true;
    (void)home.run(std::move(request));
  }
  SUBCASE("its monitor killed") {
    CreateRequest request = home.shell("sleep 100");
    request.spec.autoRemove = true;
    const std::string id = home.run(std::move(request));
    REQUIRE(::kill(home.info(id).monitorPid, SIGKILL) == 0);
    REQUIRE(eventually([&] { return home.monitors().empty(); }));
    (void)home.engine().list();
  }
  SUBCASE("never made") {
    CreateRequest request = home.shell("true");
    request.spec.name = "taken";
    (void)home.make(request);
    CHECK_FALSE(home.engine().create(request).ok());
    CHECK(claims(home).size() == 1);
    CHECK(home.engine().remove(*home.engine().find("taken"), false, false).ok());
  }
  CHECK(eventually([&] { return claims(home).empty(); }));
}

TEST_CASE("userns: a range that was lost, or is another's by now, is found at the next start") {
  if (!canHaveOwn()) return;
  const Home home;
  const std::string id = home.make(home.shell("cat /proc/self/uid_map"));
  const SandboxFiles files(home.paths(), id);
  const std::uint32_t base = home.info(id).spec.idBase;
  const std::string link = home.paths().root + "/ids/" + std::to_string(base);
  REQUIRE(removeTree(link).ok());
  const std::string other = home.make(home.shell("true"));
  const bool taken = ::symlink(other.c_str(), link.c_str()) == 0;
  REQUIRE(taken);
  const auto started = home.engine().start(id, {});
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  const std::uint32_t now = home.info(id).spec.idBase;
  CHECK(now != base);
  CHECK(ownsIds(files, now));
  CHECK(home.log(id).find(std::to_string(now)) != std::string::npos);
}

TEST_CASE("userns: engines with roots of their own never run sandboxes with the same ids") {
  if (!canHaveOwn()) return;
  const Home home;
  const std::string id = home.make(home.shell("sleep 100"));
  const std::uint32_t base = home.info(id).spec.idBase;
  Fd another;  // as its monitor would hold them
  REQUIRE(guardIds(base + 65535, another));
  REQUIRE(another.valid());
  REQUIRE(home.engine().start(id, {}).ok());
  const SandboxInfo info = home.info(id);
  CHECK(info.spec.idBase != base);
  CHECK(*idBaseOf(info.pid) == info.spec.idBase);
  CHECK(claims(home).size() == 1);
  Fd mine;
  CHECK_FALSE(guardIds(info.spec.idBase, mine));
  CHECK(home.engine().remove(id, true, false).ok());
  CHECK(guardIds(info.spec.idBase, mine));
}

TEST_CASE("userns: ids on disk are the sandbox's own, in its layer, in a volume and in a bind") {
  if (!canHaveOwn()) return;
  const Home home;
  const lvtest::TempDir host;
  CreateRequest request =
      home.shell("for d in /data /vol /bound; do echo x >$d/file && /bin/busybox chown 7:8 $d/file; done");
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/vol", .volume = "kept"},
                         {.kind = MountKind::bind, .source = host.at(""), .target = "/bound"}};
  const std::string id = home.make(request);
  const auto started = home.engine().start(id, {});
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  for (const std::string& file : {SandboxFiles(home.paths(), id).upper() + "/data/file",
                                  home.paths().root + "/volumes/kept/_data/file", host.at("file")}) {
    INFO(file);
    CHECK(statOf(file).st_uid == 7);
    CHECK(statOf(file).st_gid == 8);
  }
  // Another sandbox, of another range, sees the same ids.
  CreateRequest next = home.shell("stat -c %u:%g /vol/file /bound/file");
  next.spec.mounts = request.spec.mounts;
  CHECK(outputOf(home, next) == "7:8\n7:8\n");
}

TEST_CASE("userns: a workload may reopen its streams, and open its devices") {
  if (!canHaveOwn()) return;
  const Home home;
  CreateRequest request = home.shell("echo again >/dev/stdout");
  request.userGiven = true;
  request.spec.user = "1000:1000";
  CHECK(outputOf(home, request) == "again\n");
  const std::string node = home.paths().root + "/node";
  REQUIRE(::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);  // as /dev/zero, for root alone
  CreateRequest device = home.shell("stat -c %u:%g:%a " + node + "; head -c 3 " + node + " | /bin/busybox wc -c");
  device.spec.devices = {node};
  CHECK(outputOf(home, device) == "0:0:600\n3\n");
}

TEST_CASE("userns: limits and an out-of-memory score that only the host's root may set are as without one") {
  if (!canHaveOwn()) return;
  if (::prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) != 1) {
    MESSAGE("skipped: needs CAP_SYS_RESOURCE");
    return;
  }
  const Home home;
  rlimit64 limit{};
  REQUIRE(::getrlimit64(RLIMIT_MEMLOCK, &limit) == 0);
  const std::uint64_t more = limit.rlim_max == RLIM64_INFINITY ? 1U << 30 : limit.rlim_max + (1U << 20);
  CreateRequest request = home.shell("cat /proc/self/oom_score_adj; ulimit -Hl");
  request.spec.oomScoreAdj = -500;
  request.spec.rlimits = {{"memlock", 4096, more}};
  CHECK(outputOf(home, request) == "-500\n" + std::to_string(more / 1024) + "\n");
}

TEST_CASE("userns: privileged and host network have the host's ids, and what excludes each other says so") {
  if (!canRun()) return;
  const Home home;
  const auto baseOf = [&](CreateRequest request) { return home.info(home.make(std::move(request))).spec.idBase; };
  CreateRequest request = home.shell("true");
  request.privileged = true;
  CHECK(baseOf(request) == 0);
  request.spec.userns = UserNamespace::automatic;
  CHECK(home.engine().create(request).error().message().find("incompatible with user namespaces") != std::string::npos);
  request = home.shell("true");
  request.spec.network = Network::host;
  CHECK(baseOf(request) == 0);
  request.userGiven = true;
  request.spec.user = "root:1";
  CHECK(baseOf(request) == 0);
  request.spec.user = "1000";  // has no rights over it anyway
  CHECK(baseOf(request) != 0);
  request.spec.user = "";
  request.spec.userns = UserNamespace::automatic;
  CHECK(baseOf(request) != 0);
  request = home.shell("true");
  request.usernsGiven = true;
  CHECK(baseOf(request) == 0);
}

TEST_CASE("userns: where there can be none a sandbox has the host's ids, keeps them, and says why") {
  if (!canRun()) return;
  const Home home;
  auto missing = std::make_unique<sys::MissingCall>(sys::Call::mountSetattr);
  const auto runOf = [&](const std::string& id) {
    const auto started = home.engine().start(id, {});
    INFO(started.error().message());
    REQUIRE(started.ok());
    CHECK(receiveExit(started->control.get()).exitCode == 0);
    REQUIRE(eventually([&] { return home.info(id).status == SandboxStatus::exited; }));
    return lvtest::unexpected(started->warnings);
  };
  const std::string id = home.make(home.shell("echo x >/data/$$; cat /proc/self/uid_map"));
  const std::vector<std::string> first = runOf(id);
  REQUIRE(first.size() == 1);
  CHECK(first[0].find("its root is the host's root: ") == 0);
  CHECK(home.info(id).spec.userns == UserNamespace::host);
  CHECK(home.info(id).spec.usernsFallback.find("id-mapped") != std::string::npos);
  CHECK(cli::inspectSandbox(home.engine(), home.info(id)).find(R"("UsernsMode":"host")") != std::string::npos);
  CHECK(claims(home).empty());
  // Only the first after a boot says it.
  CHECK(runOf(home.make(home.shell("true"))).empty());
  // One that insists does not start.
  CreateRequest request = home.shell("true");
  request.spec.userns = UserNamespace::automatic;
  const std::string insists = home.make(std::move(request));
  CHECK(home.engine().start(insists, {}).error().op == kUserNamespaceOp);
  missing.reset();
  if (!hasUserNamespaces()) return;
  // Its layer was made with the host's ids.
  CHECK(runOf(id).empty());
  CHECK(home.info(id).spec.userns == UserNamespace::host);
}

TEST_CASE("userns: a sandbox that has one runs without for as long as the kernel can't, on the same layer") {
  if (!canHaveOwn()) return;
  const Home home;
  const std::string id =
      home.make(home.shell("/bin/busybox rm -rf /etc; /bin/busybox mkdir -p /etc; /bin/busybox ls /etc; "
                           "cat /proc/self/uid_map; cat /data/x; echo kept >/data/x"));
  const auto runOf = [&] {
    const auto started = home.engine().start(id, {});
    INFO(started.error().message());
    REQUIRE(started.ok());
    (void)receiveExit(started->control.get());
    REQUIRE(eventually([&] { return home.info(id).status == SandboxStatus::exited; }));
    return lvtest::unexpected(started->warnings).size();
  };
  CHECK(runOf() == 0);
  const std::uint32_t base = home.info(id).spec.idBase;
  {
    const sys::MissingCall missing(sys::Call::mountSetattr);
    CHECK(runOf() == 1);
  }
  CHECK(home.info(id).spec.userns == UserNamespace::automatic);
  CHECK(home.info(id).spec.idBase == base);
  CHECK(runOf() == 0);
  CHECK(home.log(id).find("stdout F kept") != std::string::npos);
}

TEST_CASE("userns: a mount whose ids can't be mapped takes the sandbox to the host's ids, unless it insists") {
  if (!canHaveOwn()) return;
  const Home home;
  CreateRequest request = home.shell("cat /proc/self/uid_map");
  request.spec.mounts = {{.kind = MountKind::bind, .source = "/sys/kernel", .target = "/k"}};
  const std::string id = home.run(request);
  CHECK(eventually([&] { return home.log(id).find("4294967295") != std::string::npos; }));
  CHECK(home.info(id).spec.usernsFallback.find("/sys/kernel") != std::string::npos);
  request.spec.userns = UserNamespace::automatic;
  const std::string insists = home.run(request);
  CHECK(eventually([&] { return home.log(insists).find(" 65536") != std::string::npos; }));
}

TEST_CASE("userns: prepared sandboxes have theirs, which goes with them") {
  if (!canHaveOwn()) return;
  const Home home;
  {
    const Pool pool(home, 2);
    CHECK(claims(home).size() == 2);
    CreateRequest request = pool.shell("pwd; echo again >/dev/stdout; sleep 100");
    request.spec.cwd = "/made/ahead";
    request.workdirGiven = true;
    request.spec.user = "1000";
    request.userGiven = true;
    const auto prepared = home.engine().startPrepared(request, {});
    REQUIRE(prepared);
    REQUIRE(prepared->started.ok());
    const SandboxInfo info = home.info(prepared->id);
    CHECK(info.spec.idBase != 0);
    CHECK(*idBaseOf(info.pid) == info.spec.idBase);
    CHECK(statOf("/proc/" + std::to_string(info.pid)).st_uid == info.spec.idBase + 1000);
    CHECK(eventually([&] { return home.log(prepared->id).find("stdout F again") != std::string::npos; }));
    CHECK(home.log(prepared->id).find("stdout F /made/ahead") != std::string::npos);
  }
  CHECK(eventually([&] { return claims(home).size() == 1; }));
}

TEST_CASE("userns: nothing of what its device nodes came from is left in it, for exec either") {
  if (!canHaveOwn()) return;
  const Home home;
  for (const bool readOnly : {false, true}) {
    CreateRequest request = home.shell("sleep 100");
    request.spec.readOnlyRoot = readOnly;
    const std::string id = home.run(std::move(request));
    const auto mounts = readFile("/proc/" + std::to_string(home.info(id).pid) + "/mountinfo");
    REQUIRE(mounts.ok());
    unsigned roots = 0;
    for (const std::string& line : split(*mounts, '\n')) {
      const std::vector<std::string> fields = split(line, ' ');
      roots += fields.size() > 4 && fields[4] == "/" ? 1 : 0;
    }
    CHECK(roots == 1);
    Capture out;
    const auto exec = home.engine().exec(id, {.args = {"/bin/stat", "-c", "%u:%g", "/", "/..", "/dev/null"},
                                              .env = {"PATH=/bin"},
                                              .stdio = {-1, out.in(), -1}});
    INFO(exec.error().message());
    REQUIRE(exec.ok());
    CHECK(out.readAll() == "0:0\n0:0\n0:0\n");
    int status = 0;
    CHECK(::waitpid(exec->pid, &status, 0) == exec->pid);
  }
}
