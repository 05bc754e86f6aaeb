// What a service manager has to do with the engine: the delegated subtree, the spawner, the end of all at shutdown.
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/monitors_reserve.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/exec_request.hpp"
#include "engine/merge.hpp"
#include "engine/program.hpp"
#include "engine/spawn_talk.hpp"
#include "engine/spawner.hpp"
#include "engine/stop_all.hpp"
#include "engine_fixture.hpp"
#include "sys/socket.hpp"

using namespace enginetest;

namespace {

void writeParent(const Paths& paths, const std::string& text) {
  REQUIRE(makeDirs(paths.run).ok());
  REQUIRE(writeFileAtomic(cgroupParentFile(paths), text).ok());
}

/** A spawner for one home, which ends with the test. */
class OwnSpawner {
 public:
  explicit OwnSpawner(const Paths& paths) {
    REQUIRE(makeDirs(paths.run).ok());
    const auto listener = listenSeqpacket(spawnSocket(paths));
    REQUIRE(listener.ok());
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    (void)::setenv("LIGHTV_TEST_SECRET_OF_THE_SPAWNER", "x", 1);
    (void)serveSpawner(listener->get());
    ::_exit(1);
  }
  OwnSpawner(const OwnSpawner&) = delete;
  OwnSpawner& operator=(const OwnSpawner&) = delete;
  ~OwnSpawner() {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

std::string statusLine(pid_t pid, const std::string& key) {
  const auto text = readFile("/proc/" + std::to_string(pid) + "/status");
  for (const std::string& line : split(text ? *text : std::string(), '\n')) {
    if (line.starts_with(key + ":")) return std::string(trim(line.substr(key.size() + 1)));
  }
  return {};
}

}  // namespace

TEST_CASE("service: the default cgroup parent is what the file says, and /lightv when it says nothing sensible") {
  const lvtest::TempDir dir;
  const Paths paths{dir.at("root"), dir.at("run")};
  CHECK(defaultCgroupParent(paths) == "/lightv");
  writeParent(paths, "/lightv.slice/lightv-runtime.service/sandboxes\n");
  CHECK(defaultCgroupParent(paths) == "/lightv.slice/lightv-runtime.service/sandboxes");
  for (const char* bad : {"", "/", "lightv", "/a/../b", "/a//b", "/a/", "/a b", "/a\n/b\n"}) {
    writeParent(paths, bad);
    CAPTURE(bad);
    CHECK(defaultCgroupParent(paths) == "/lightv");
  }
}

TEST_CASE("service: a request's own cgroup parent wins over the default") {
  ImageInfo image;
  image.config.cmd = {"/bin/true"};
  const MergeContext context{.id = "0123456789abcdef", .created = "now", .root = "/root", .cgroupParent = "/unit"};
  CreateRequest request;
  CHECK(mergeImage(request, image, context)->cgroupParent == "/unit");
  request.cgroupParentGiven = true;
  CHECK(mergeImage(request, image, context)->cgroupParent == "/lightv");
  CHECK(parseCreateRequest(R"({"image":"x","cgroupParent":"/lightv"})")->cgroupParentGiven);
  CHECK_FALSE(parseCreateRequest(R"({"image":"x"})")->cgroupParentGiven);
}

TEST_CASE("service: the unit's cgroup on v2, v1 and hybrid, without the group of its commands") {
  CHECK(*unitCgroup("0::/a.slice/b.service/.control\n") == "/a.slice/b.service");
  CHECK(*unitCgroup("0::/a.slice/b.service\n") == "/a.slice/b.service");
  const std::string v1 = "5:memory:/\n1:name=systemd:/a.slice/b.service/.control\n";
  CHECK(*unitCgroup(v1) == "/a.slice/b.service");
  CHECK(*unitCgroup(v1 + "0::/\n") == "/a.slice/b.service");
  CHECK(*unitCgroup("1:name=systemd:/x\n0::/a.slice/b.service\n") == "/a.slice/b.service");
  for (const char* none : {"", "0::/\n", "1:name=systemd:/\n", "5:memory:/x\n"}) {
    CAPTURE(none);
    CHECK_FALSE(unitCgroup(none).ok());
  }
}

TEST_CASE("service: delegation makes the groups in each hierarchy, also where the manager made none") {
  const lvtest::TempDir dir;
  const Paths paths{dir.at("root"), dir.at("run")};
  const std::string mount = dir.at("cgroup");
  for (const char* controller : {"/pids", "/memory", "/memory/u.slice", "/systemd", "/systemd/u.slice"}) {
    REQUIRE(makeDirs(mount + controller, 0755).ok());
    REQUIRE(writeFileAtomic(mount + controller + "/cgroup.procs", "").ok());
  }
  std::vector<std::string> warnings;
  REQUIRE(delegateCgroup(paths, "/u.slice/u.service", warnings, mount).ok());
  CHECK(warnings.empty());
  CHECK(exists(mount + "/pids/u.slice/u.service/sandboxes/monitors"));
  CHECK(exists(mount + "/memory/u.slice/u.service/sandboxes/monitors"));
  // Where no systemd runs nobody goes by its hierarchy.
  CHECK(exists(mount + "/systemd/u.slice/u.service/sandboxes/monitors") == exists("/run/systemd/system"));
  CHECK(defaultCgroupParent(paths) == "/u.slice/u.service/sandboxes");
}

TEST_CASE("service: the monitors' memory is kept for them, where the kernel can") {
  const lvtest::TempDir dir;
  const Paths paths{dir.at("root"), dir.at("run")};
  const std::string mount = dir.at("cgroup");
  const std::string parent = mount + "/u.slice/u.service/sandboxes";
  REQUIRE(makeDirs(parent + "/monitors", 0755).ok());
  for (const char* file : {"/cgroup.procs", "/cgroup.subtree_control"}) REQUIRE(writeFileAtomic(mount + file, "").ok());
  REQUIRE(writeFileAtomic(mount + "/cgroup.controllers", "memory pids\n").ok());
  const std::vector<std::string> groups{mount + "/u.slice/u.service", parent, parent + "/monitors"};
  const auto areNew = [&] {
    for (const std::string& group : groups) REQUIRE(writeFileAtomic(group + "/memory.min", "0\n").ok());
  };
  const auto areKept = [&] {
    return std::all_of(groups.begin(), groups.end(),
                       [](const std::string& group) { return *readFile(group + "/memory.min") == "8388608"; });
  };
  areNew();
  std::vector<std::string> warnings;
  REQUIRE(delegateCgroup(paths, "/u.slice/u.service", warnings, mount).ok());
  CHECK(areKept());

  // A service manager takes a unit's groups away while nothing runs in them: the first monitor makes them again.
  areNew();
  protectMonitors({mount, true, {}}, "/u.slice/u.service/sandboxes", warnings);
  CHECK(areKept());
  CHECK(warnings.empty());
}

TEST_CASE("service: a spawn request keeps its words, and a hostile one is refused") {
  const SpawnRequest request{SpawnOp::exec, {"/r", "/n"}, "0123456789abcdef", R"({"args":["x"]})"};
  const auto read = parseSpawnRequest(toJson(request));
  REQUIRE(read.ok());
  CHECK(read->op == SpawnOp::exec);
  CHECK(read->paths.root == "/r");
  CHECK(read->paths.run == "/n");
  CHECK(read->id == request.id);
  CHECK(read->exec == request.exec);
  for (const char* bad : {"", "{}", R"({"op":"monitor","root":"/r","run":"/n","id":"../../etc"})",
                          R"({"op":"other","root":"/r","run":"/n","id":"0123456789abcdef"})",
                          R"({"op":"monitor","root":"r","run":"/n","id":"0123456789abcdef"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(parseSpawnRequest(bad).ok());
  }
  const auto newer = parseSpawnRequest(R"({"op":"monitor","root":"/r","run":"/n","id":"0123456789abcdef","more":1})");
  REQUIRE(newer.ok());
  CHECK(newer->unknownKeys == std::vector<std::string>{"more"});
  const std::string exec = R"({"args":["/bin/true"],"later":1})";
  CHECK_FALSE(parseExecRequest(exec, Spec()).ok());
  CHECK(parseExecRequest(exec, Spec(), true)->unknownKeys == std::vector<std::string>{"later"});
}

TEST_CASE("service: a sandbox that the spawner starts inherits nothing of who asked for it") {
  if (!canRun()) return;
  const Home home;
  const OwnSpawner spawner(home.paths());
  const std::string id = home.make(home.shell("while true; do sleep 0.1; done"));
  const pid_t asker = ::fork();
  REQUIRE(asker >= 0);
  if (asker == 0) {  // as confined as a unit would make it
    (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)writeControlFile("/proc/self/oom_score_adj", "500");
    const auto started = home.engine().start(id, {.monitorBinary = "/bin/false"});
    ::_exit(started.ok() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(asker, &status, 0) == asker);
  REQUIRE(status == 0);
  const SandboxInfo info = home.info(id);
  REQUIRE(info.status == SandboxStatus::running);
  CHECK(statusLine(info.monitorPid, "NoNewPrivs") == "0");
  CHECK(trim(*readFile("/proc/" + std::to_string(info.pid) + "/oom_score_adj")) == "0");
  const auto title = readFile("/proc/" + std::to_string(info.monitorPid) + "/environ");
  CHECK(title->find("SECRET") == std::string::npos);
  CHECK(home.engine().stop(id, SIGKILL, 0).ok());
  CHECK(home.isQuiet());
}

TEST_CASE("service: a program that the spawner runs tells its exit code, and ends when it is told to") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.run(home.shell("while true; do sleep 0.1; done"));
  const OwnSpawner spawner(home.paths());
  const auto begin = [&](const std::string& json, Capture& out) {
    auto request = parseExecRequest(json, home.info(id).spec);
    REQUIRE(request.ok());
    request->exec.stdio = Stdio{-1, out.in(), out.in()};
    return Program::start(home.engine(), id, json, *request);
  };
  Capture out;
  auto program = begin(R"({"args":["/bin/sh","-c","echo here; exit 9"]})", out);
  REQUIRE_MESSAGE(program.ok(), program.error().message());
  CHECK(out.readAll() == "here\n");
  CHECK(program->exitCode() == 9);

  Capture none;
  program = begin(R"({"args":["/bin/sleep","1000"]})", none);
  REQUIRE(program.ok());
  program->kill();
  CHECK(program->exitCode() == 137);

  Capture missing;
  program = begin(R"({"args":["/not/there"]})", missing);
  REQUIRE_FALSE(program.ok());
  CHECK(program.error().op == "exec");
  CHECK(program.error().err == ENOENT);
}

TEST_CASE("service: all sandboxes stop at once, each by its own signal, and their exits say why") {
  if (!canRun()) return;
  const Home home;
  CreateRequest polite = home.shell("trap 'exit 3' USR1; while true; do sleep 0.05; done");
  polite.spec.stopSignal = SIGUSR1;
  polite.stopSignalGiven = true;
  polite.spec.restart.when = RestartWhen::always;
  CreateRequest deaf = home.shell("trap '' TERM; while true; do sleep 0.05; done");
  deaf.spec.stopTimeoutMs = 300;
  const std::string one = home.run(polite);
  const std::string two = home.run(deaf);
  CreateRequest brief = home.shell("while true; do sleep 0.05; done");
  brief.spec.autoRemove = true;
  brief.spec.stopTimeoutMs = 100;
  const std::string three = home.run(brief);
  const std::string idle = home.make(home.shell("true"));
  ::usleep(300'000);  // until the traps are set
  const auto stopped = stopAll(home.engine());
  REQUIRE(stopped.ok());
  CHECK(stopped->size() == 3);
  for (const Stopped& each : *stopped) CHECK(each.status.ok());
  CHECK(home.engine().info(three).error().err == ENOENT);
  CHECK(home.info(one).exit->exitCode == 3);
  CHECK(home.info(two).exit->exitCode == 137);
  for (const std::string& id : {one, two}) {
    CHECK(home.info(id).status == SandboxStatus::exited);
    CHECK(home.info(id).exit->shutdown);
  }
  CHECK(home.info(idle).status == SandboxStatus::created);
  REQUIRE(home.engine().start(idle, {}).ok());
  REQUIRE(eventually([&] { return home.info(idle).status == SandboxStatus::exited; }));
  CHECK_FALSE(home.info(idle).exit->shutdown);
  CHECK(home.isQuiet());
}

TEST_CASE("service: a monitor's program that can't be executed is told as such") {
  if (!canRun()) return;
  const Home home;
  const auto started = home.engine().start(home.make(home.shell("true")), {.monitorBinary = "/no/such/lightv"});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().err == ENOENT);
  CHECK(started.error().message().find("/no/such/lightv") != std::string::npos);
}

TEST_CASE("service: workloads of any user get into a volume, whatever the umask of who creates it") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("true");
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/data", .volume = "shared"}};
  const mode_t before = ::umask(077);
  (void)home.make(request);
  ::umask(before);
  struct stat info {};
  REQUIRE(::stat((home.paths().root + "/volumes/shared/_data").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0755);
}

TEST_CASE("service: a caller with an OOM score that can't be lowered gets no warning that he did not ask for") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("true");
  request.spec.userns = UserNamespace::automatic;
  const std::string id = home.make(request);
  const pid_t caller = ::fork();
  REQUIRE(caller >= 0);
  if (caller == 0) {  // as in a desktop's session: set with the right to, which makes it the least for who has none
    (void)writeControlFile("/proc/self/oom_score_adj", "200");
    const auto started = home.engine().start(id, {});
    if (started.ok()) (void)receiveExit(started->control.get());
    bool warned = !started.ok();
    for (const std::string& warning : started.ok() ? started->warnings : std::vector<std::string>()) {
      warned = warned || warning.find("oom_score_adj") != std::string::npos;
    }
    ::_exit(warned ? 1 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(caller, &status, 0) == caller);
  CHECK(status == 0);
}
