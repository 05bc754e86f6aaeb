// Monitors and creators that are killed: nothing is left, nothing is wrong, and other sandboxes don't notice.
#include <sys/file.h>
#include <sys/stat.h>

#include "engine/names.hpp"
#include "engine_fixture.hpp"
#include "monitor/control.hpp"
#include "monitor/layout.hpp"
#include "monitor/lock.hpp"
#include "monitor/monitor.hpp"
#include "monitor/records.hpp"
#include "monitor/removal.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"

using namespace enginetest;

namespace {

bool isGone(pid_t pid) {
  return ::kill(pid, 0) != 0;
}

/** Runs `body` in a child and kills that after `delayUs`, unless it is done before. */
template <class Body>
void runAndKill(unsigned delayUs, Body body) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  ::usleep(delayUs);
  ::kill(pid, SIGKILL);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
}

}  // namespace

TEST_CASE("engine: when a monitor is killed its sandbox ends, the loss is recorded, and it starts again") {
  if (!canRun()) return;
  const Home home;
  const std::string other = home.run(home.request({"/bin/sleep", "1000"}));
  const std::string id = home.run(home.request({"/bin/sleep", "1000"}));
  const SandboxInfo before = home.info(id);
  REQUIRE(before.monitorPid > 0);
  REQUIRE(::kill(before.monitorPid, SIGKILL) == 0);
  CHECK(eventually([&] { return isGone(before.initPid) && isGone(before.pid); }));
  const SandboxInfo after = home.info(id);
  CHECK(after.status == SandboxStatus::exited);
  REQUIRE(after.exit.has_value());
  CHECK(after.exit->lost);
  CHECK(after.exit->exitCode == 137);
  CHECK(home.groups().size() == Cgroup::open(home.parent(), other).directories().size());
  CHECK(home.engine().wait(id)->lost);
  CHECK(home.engine().stop(id, 0, -1).ok());
  CHECK(home.engine().start(id, {}).ok());
  CHECK(home.info(id).status == SandboxStatus::running);
  CHECK(home.info(other).status == SandboxStatus::running);
}

TEST_CASE("engine: a client that waits is told when the monitor is lost") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.autoRemove = true;
  const std::string id = home.make(std::move(request));
  const auto started = home.engine().start(id, {});
  REQUIRE(started.ok());
  REQUIRE(::kill(home.info(id).monitorPid, SIGKILL) == 0);
  const ExitInfo exit = receiveExit(started->control.get());
  CHECK(exit.lost);
  CHECK(exit.exitCode == 137);
  // The next look removes what was to be removed at the end.
  CHECK(eventually([&] { return home.engine().list()->empty(); }));
  CHECK(home.isQuiet());
  CHECK(home.entries(home.paths().root + "/sandboxes").empty());
  CHECK(home.entries(home.paths().run + "/sandboxes").empty());
}

TEST_CASE("engine: a monitor killed at any moment of start and end leaves nothing that a look does not clean") {
  if (!canRun()) return;
  const Home home;
  for (unsigned delay = 0; delay < 30000; delay += 1000) {
    CreateRequest request = home.shell("exit 0");
    request.spec.autoRemove = delay % 2000 == 0;
    const std::string id = home.make(std::move(request));
    // The caller dies with the rest: it is the monitors' group that is killed, whatever it holds by now.
    const pid_t starter = ::fork();
    if (starter == 0) {
      (void)home.engine().start(id, {});
      ::_exit(0);
    }
    ::usleep(delay);
    for (const pid_t pid : home.monitors()) (void)::kill(pid, SIGKILL);
    REQUIRE(::waitpid(starter, nullptr, 0) == starter);
    INFO("killed after " << delay << " us");
    CHECK(eventually([&] { return home.monitors().empty(); }));
    const auto info = home.engine().info(id);
    const bool settled = !info.ok() || info->status == SandboxStatus::exited || info->status == SandboxStatus::created;
    CHECK(settled);
    if (info.ok()) CHECK(home.engine().remove(id, true, true).ok());
  }
  REQUIRE(home.engine().sweep().ok());
  CHECK(home.isQuiet());
  CHECK(home.entries(home.paths().root + "/sandboxes").empty());
  CHECK(home.entries(home.paths().run + "/sandboxes").empty());
  CHECK(home.entries(home.paths().root + "/names").empty());
}

TEST_CASE("engine: a creation killed at any moment is whole or, after a sweep, nothing, and its name is free") {
  if (!canRun()) return;
  const Home home;
  for (unsigned delay = 0; delay < 4000; delay += 100) {
    runAndKill(delay, [&] {
      CreateRequest request = home.request({});
      request.spec.name = "wanted";
      request.spec.mounts.push_back({.kind = MountKind::volume, .target = "/data"});
      (void)home.engine().create(std::move(request));
    });
    INFO("killed after " << delay << " us");
    const auto found = home.engine().find("wanted");
    if (found.ok()) {
      CHECK(home.info(*found).spec.name == "wanted");
      CHECK(home.engine().remove(*found, false, true).ok());
    }
    // Before any sweep: what a dead creator had claimed can be claimed again.
    CreateRequest again = home.request({});
    again.spec.name = "wanted";
    const std::string id = home.make(std::move(again));
    CHECK(home.engine().remove(id, false, true).ok());
  }
  REQUIRE(home.engine().sweep().ok());
  for (const char* directory : {"/root/sandboxes", "/root/names", "/root/volumes", "/run/sandboxes"}) {
    INFO(directory);
    CHECK(home.entries(parentPath(home.paths().root) + directory).empty());
  }
}

TEST_CASE("engine: a removal killed at any moment leaves the sandbox or, after a sweep, nothing") {
  if (!canRun()) return;
  const Home home;
  for (unsigned delay = 0; delay < 2000; delay += 100) {
    CreateRequest request = home.request({});
    request.spec.name = "doomed";
    const std::string id = home.make(std::move(request));
    runAndKill(delay, [&] { (void)home.engine().remove(id, false, true); });
    if (home.engine().find("doomed").ok()) CHECK(home.engine().remove(id, false, true).ok());
  }
  REQUIRE(home.engine().sweep().ok());
  CHECK(home.entries(home.paths().root + "/sandboxes").empty());
  CHECK(home.entries(home.paths().run + "/sandboxes").empty());
  CHECK(home.entries(home.paths().root + "/names").empty());
}

TEST_CASE("engine: of several who create with one name at once, one wins and the others are told") {
  if (!canRun()) return;
  const Home home;
  constexpr int kCreators = 8;
  std::vector<pid_t> creators;
  for (int i = 0; i < kCreators; i++) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      CreateRequest request = home.request({});
      request.spec.name = "prize";
      const auto id = home.engine().create(std::move(request));
      ::_exit(id.ok() ? 0 : id.error().err == EEXIST ? 1 : 2);
    }
    creators.push_back(pid);
  }
  int winners = 0;
  int losers = 0;
  for (const pid_t pid : creators) {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    winners += WEXITSTATUS(status) == 0 ? 1 : 0;
    losers += WEXITSTATUS(status) == 1 ? 1 : 0;
  }
  CHECK(winners == 1);
  CHECK(losers == kCreators - 1);
  CHECK(home.entries(home.paths().root + "/sandboxes").size() == 1);
  CHECK(home.entries(home.paths().run + "/sandboxes").size() == 1);
}

TEST_CASE("engine: after a reboot a sandbox that ran is lost, one that did not is created, and --rm ones are swept") {
  if (!canRun()) return;
  const Home home;
  const std::string idle = home.make(home.request({}));
  const std::string ran = home.make(home.request({}));
  CreateRequest request = home.request({});
  request.spec.autoRemove = true;
  const std::string brief = home.make(std::move(request));
  // What a power cut leaves of a running sandbox: the record of its start, and an empty /run.
  const SandboxFiles files(home.paths(), ran);
  REQUIRE(writeFileAtomic(files.started(), toJson(StartRecord{"2026-01-01T00:00:00.000000000Z", 2})).ok());
  REQUIRE(removeTree(home.paths().run + "/sandboxes").ok());
  CHECK(home.info(idle).status == SandboxStatus::created);
  const SandboxInfo lost = home.info(ran);
  CHECK(lost.status == SandboxStatus::exited);
  CHECK(lost.exit->lost);
  CHECK(lost.restartCount == 2);
  CHECK(home.engine().sweep().ok());
  CHECK(home.engine().info(brief).error().err == ENOENT);
  CHECK(home.engine().info(idle).ok());
}

TEST_CASE("engine: a run whose record a power cut has emptied is lost all the same") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.request({}));
  const SandboxFiles files(home.paths(), id);
  REQUIRE(writeFileAtomic(files.started(), "").ok());
  REQUIRE(removeTree(home.paths().run + "/sandboxes").ok());
  const SandboxInfo lost = home.info(id);
  CHECK(lost.status == SandboxStatus::exited);
  REQUIRE(lost.exit.has_value());
  CHECK(lost.exit->lost);
  CHECK(lost.startedAt.size() == 30);
  CHECK_FALSE(exists(files.started()));
}

TEST_CASE("engine: an end that can't be written down is told all the same, and written as soon as it can be") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.shell("exit 7"));
  const std::string record = home.paths().root + "/sandboxes/" + id + "/exit.json";
  REQUIRE(makeDirs(record).ok());  // no file can be renamed to it
  const auto started = home.engine().start(id, {});
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 7);
  CHECK(home.isQuiet());
  for (const bool room : {false, true}) {
    CAPTURE(room);
    if (room) REQUIRE(removeTree(record).ok());
    const SandboxInfo info = home.info(id);
    CHECK(info.status == SandboxStatus::exited);
    REQUIRE(info.exit.has_value());
    CHECK(info.exit->exitCode == 7);
    CHECK_FALSE(info.exit->lost);
  }
  const Result<std::string> written = readFile(record);
  REQUIRE(written.ok());
  CHECK(written->find("\"exitCode\":7") != std::string::npos);
  CHECK_FALSE(exists(home.paths().run + "/sandboxes/" + id + "/state.json"));
  CHECK(home.engine().remove(id, false, false).ok());
}

TEST_CASE("engine: a monitor that hangs is given up in time and killed, and the sandbox can be started again") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.request({"/bin/sleep", "1000"}));
  const SandboxFiles files(home.paths(), id);
  const std::string aside = files.config() + ".aside";
  REQUIRE(::rename(files.config().c_str(), aside.c_str()) == 0);
  REQUIRE(::mkfifo(files.config().c_str(), 0600) == 0);  // whoever reads it waits for a writer
  const Result<Started> started = home.engine().start(id, {.answerTimeoutMs = 1000});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().err == ETIMEDOUT);
  CHECK(started.error().message().find("was killed") != std::string::npos);
  REQUIRE(::rename(aside.c_str(), files.config().c_str()) == 0);
  CHECK(eventually([&] { return whoHolds(files)->holder == Holder::nobody; }));
  CHECK(home.info(id).status == SandboxStatus::created);
  CHECK(home.engine().start(id, {}).ok());
  CHECK(home.info(id).status == SandboxStatus::running);
}

TEST_CASE("engine: a monitor whose starter has given up starts nothing") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.request({"/bin/sleep", "1000"}));
  Fd ours;
  Fd theirs;
  REQUIRE(seqpacketPair(ours, theirs).ok());
  REQUIRE(sendMessage(ours.get(), toJson(ControlRequest{.op = ControlOp::start})).ok());
  ours.reset();
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    const int high = ::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kStartSocket + 1);
    ::_exit(keepOnlyStartSocket(high) ? monitorMain(home.paths(), id) : 1);
  }
  theirs.reset();
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  CHECK(eventually([&] { return whoHolds(SandboxFiles(home.paths(), id))->holder == Holder::nobody; }));
  ::usleep(200'000);
  CHECK(home.info(id).status == SandboxStatus::created);
  CHECK_FALSE(exists(SandboxFiles(home.paths(), id).started()));
  CHECK(home.isQuiet());
}

TEST_CASE("engine: a configuration of a newer version starts, with a warning, and keeps its keys when it is changed") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.request({"/bin/sleep", "1000"}));
  const SandboxFiles files(home.paths(), id);
  const Result<std::string> text = readFile(files.config());
  REQUIRE(text.ok());
  const std::string newer = R"({"later":{"x":1},)" + text->substr(1);
  REQUIRE(writeFileAtomic(files.config(), newer).ok());
  REQUIRE(home.engine().start(id, {}).ok());
  const SandboxInfo info = home.info(id);
  CHECK(info.status == SandboxStatus::running);
  REQUIRE_FALSE(info.warnings.empty());
  CHECK(info.warnings.back() == "config.json: without effect, as this version does not know it: later");
  CHECK(readState(files.state())->warnings == info.warnings);
  CHECK(home.engine().rename(id, "other").ok());
  CHECK(home.info(id).spec.name == "other");
  CHECK(readFile(files.config())->find(R"("later":{"x":1})") != std::string::npos);
}

TEST_CASE("engine: rm -f waits for a --rm sandbox that is taking itself away") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/true"});
  request.spec.autoRemove = true;
  request.spec.name = "leaving";
  const std::string id = home.make(std::move(request));
  const SandboxFiles files(home.paths(), id);
  // A monitor that behaves as ours does in the moment between hiding its directory and saying "exited".
  const pid_t monitor = ::fork();
  REQUIRE(monitor >= 0);
  if (monitor == 0) {
    const Result<Fd> lock = lockForMonitor(files);
    const Result<Fd> listener = listenSeqpacket(files.socket());
    StateRecord state;
    state.status = SandboxStatus::running;
    state.monitorPid = ::getpid();
    if (!lock || !listener || !writeFileAtomic(files.state(), toJson(state))) ::_exit(1);
    pollfd entry{listener->get(), POLLIN, 0};
    if (::poll(&entry, 1, 10'000) != 1 || !hideSandbox(files, "leaving")) ::_exit(2);
    (void)acceptConnection(listener->get());
    (void)::poll(nullptr, 0, 200);
    ::_exit(0);
  }
  REQUIRE(eventually([&] { return home.info(id).status == SandboxStatus::running; }));
  const Status removed = home.engine().remove(id, true, false);
  CHECK_MESSAGE(removed.ok(), (removed.ok() ? "" : removed.error().message()));
  int status = 0;
  CHECK(::waitpid(monitor, &status, 0) == monitor);
  CHECK(status == 0);
}
