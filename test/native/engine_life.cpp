// A sandbox's life through the engine's verbs, with real sandboxes.
#include "engine_fixture.hpp"

using namespace enginetest;

TEST_CASE("engine: a sandbox runs, tells its exit code, and can be started again") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.make(home.shell("echo run; exit 7"));
  CHECK(home.info(id).status == SandboxStatus::created);
  for (int round = 1; round <= 2; round++) {
    const auto started = home.engine().start(id, {});
    INFO(started.error().message());
    REQUIRE(started.ok());
    CHECK(receiveExit(started->control.get()).exitCode == 7);
    const SandboxInfo info = home.info(id);
    CHECK(info.status == SandboxStatus::exited);
    REQUIRE(info.exit.has_value());
    CHECK(info.exit->exitCode == 7);
    CHECK_FALSE(info.exit->lost);
    CHECK(parseTime(info.exit->finishedAt).has_value());
  }
  const std::string log = home.log(id);
  CHECK(split(log, '\n').size() == 3);
  CHECK(log.find(" stdout F run\n") != std::string::npos);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: attached clients get every byte of both streams before the exit is told") {
  if (!canRun()) return;
  const Home home;
  Capture out;
  Capture err;
  const std::string id = home.make(home.shell("seq 1 2000; echo problem >&2; exit 3"));
  auto started = home.engine().start(id, {.attach = {.out = out.in(), .err = err.in()}});
  INFO(started.error().message());
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 3);
  started->control.reset();
  const std::string text = out.readAll();
  CHECK(text.starts_with("1\n2\n"));
  CHECK(text.ends_with("\n1999\n2000\n"));
  CHECK(err.readAll() == "problem\n");
}

TEST_CASE("engine: stdin reaches the workload and ends when the starter closes it") {
  if (!canRun()) return;
  const Home home;
  Capture out;
  CreateRequest request = home.request({"/bin/cat"});
  request.spec.openStdin = true;
  const std::string id = home.make(std::move(request));
  auto started = home.engine().start(id, {.attach = {.out = out.in()}, .attachStdin = true});
  INFO(started.error().message());
  REQUIRE(started.ok());
  REQUIRE(started->stdinEnd.valid());
  REQUIRE(writeAll(started->stdinEnd.get(), "hello\n", "stdin").ok());
  CHECK(out.readUntil("hello\n") == "hello\n");
  started->stdinEnd.reset();
  CHECK(receiveExit(started->control.get()).exitCode == 0);
}

TEST_CASE("engine: --rm leaves nothing, and the exit is told before") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("exit 4");
  request.spec.autoRemove = true;
  request.spec.name = "brief";
  request.spec.mounts.push_back({.kind = MountKind::volume, .target = "/data"});
  const std::string id = home.make(std::move(request));
  CHECK(home.entries(home.paths().root + "/volumes").size() == 1);
  const auto started = home.engine().start(id, {});
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 4);
  CHECK_FALSE(home.engine().find("brief").ok());
  CHECK(home.isQuiet());
  CHECK(home.entries(home.paths().root + "/sandboxes").empty());
  CHECK(home.entries(home.paths().run + "/sandboxes").empty());
  CHECK(home.entries(home.paths().root + "/names").empty());
  CHECK(home.entries(home.paths().root + "/volumes").empty());
}

TEST_CASE("engine: a command that does not exist says so, and what can't be executed too") {
  if (!canRun()) return;
  const Home home;
  const std::string missing = home.make(home.request({"/bin/nothing"}));
  const auto started = home.engine().start(missing, {});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().op == "exec");
  CHECK(started.error().err == ENOENT);
  const SandboxInfo info = home.info(missing);
  CHECK(info.status == SandboxStatus::exited);
  CHECK(info.exit->exitCode == 127);
  CHECK(info.exit->error.find("nothing") != std::string::npos);
  const std::string directory = home.make(home.request({"/etc"}));
  const auto refused = home.engine().start(directory, {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().op == "exec");
  CHECK(refused.error().err == EACCES);
  CHECK(home.info(directory).exit->exitCode == 126);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: what runs can't be started or removed without force, and is found by name, id and prefix") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.name = "sleeper";
  const std::string id = home.run(std::move(request));
  CHECK(home.info(id).status == SandboxStatus::running);
  CHECK(home.engine().start(id, {}).error().err == EALREADY);
  const Status refused = home.engine().remove(id, false, false);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message().find("You cannot remove a running sandbox") == 0);
  CHECK(*home.engine().find("sleeper") == id);
  CHECK(*home.engine().find(id) == id);
  CHECK(*home.engine().find(id.substr(0, 6)) == id);
  CHECK(home.engine().find("sleepy").error().message() == "No such sandbox: sleepy");
  CHECK(home.engine().stats(id).ok());
  CHECK(home.engine().processes(id)->size() >= 2);
  CHECK(home.engine().remove(id, true, false).ok());
  CHECK(home.engine().info(id).error().err == ENOENT);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: stop sends the stop signal, and SIGKILL after the time-out") {
  if (!canRun()) return;
  const Home home;
  const std::string polite = home.run(home.shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"));
  REQUIRE(eventually([&] { return home.log(polite).find("ready") != std::string::npos; }));
  CHECK(home.engine().stop(polite, 0, 60000).ok());
  CHECK(home.info(polite).exit->exitCode == 9);
  const std::string deaf = home.run(home.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  REQUIRE(eventually([&] { return home.log(deaf).find("ready") != std::string::npos; }));
  CHECK(home.engine().stop(deaf, 0, 100).ok());
  CHECK(home.info(deaf).exit->exitCode == 137);
  CHECK(home.info(deaf).exit->signal == SIGKILL);
  CHECK(home.engine().stop(deaf, 0, 100).ok());
  CHECK(home.engine().kill(deaf, SIGTERM).error().message().find("is not running") != std::string::npos);
  CHECK(home.engine().wait(deaf)->exitCode == 137);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: a paused sandbox stands still, refuses exec, and can be stopped") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.run(home.request({"/bin/sleep", "1000"}));
  REQUIRE(home.engine().pause(id).ok());
  CHECK(home.info(id).status == SandboxStatus::paused);
  CHECK(home.engine().pause(id).error().err == EALREADY);
  CHECK(home.engine().exec(id, {.args = {"/bin/true"}}).error().err == EBUSY);
  REQUIRE(home.engine().unpause(id).ok());
  CHECK(home.info(id).status == SandboxStatus::running);
  REQUIRE(home.engine().pause(id).ok());
  CHECK(home.engine().stop(id, SIGKILL, 0).ok());
  CHECK(home.info(id).exit->exitCode == 137);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: a running sandbox takes new limits and a new name, which stay") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.name = "before";
  const std::string id = home.run(std::move(request));
  Limits limits;
  limits.pidsMax = 33;
  REQUIRE(home.engine().update(id, {.limits = limits}).ok());
  CHECK(home.info(id).spec.limits.pidsMax == 33);
  if (const auto stats = home.engine().stats(id); stats && stats->cgroup.pidsLimit)
    CHECK(*stats->cgroup.pidsLimit == 33);
  REQUIRE(home.engine().rename(id, "after").ok());
  CHECK(*home.engine().find("after") == id);
  CHECK_FALSE(home.engine().find("before").ok());
  const std::string other = home.make(home.request({}));
  CHECK(home.engine().rename(other, "after").error().err == EEXIST);
}

TEST_CASE("engine: memory beyond the limit is an out-of-memory kill, told apart from a signal") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("x=a; while :; do x=$x$x; done");
  request.spec.limits.memoryMax = 16U << 20;
  request.spec.limits.swapMax = 0;
  const std::string id = home.run(std::move(request));
  const auto exit = home.engine().wait(id);
  REQUIRE(exit.ok());
  CHECK(exit->exitCode == 137);
  CHECK(exit->oomKilled);
  CHECK(home.isQuiet());
}

TEST_CASE("engine: a monitor keeps neither the command line nor the environment of whoever started it") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.run(home.request({"/bin/sleep", "1000"}));
  const std::string proc = "/proc/" + std::to_string(home.info(id).monitorPid);
  const Result<std::string> title = readFile(proc + "/cmdline");
  const Result<std::string> environment = readFile(proc + "/environ");
  REQUIRE(title.ok());
  REQUIRE(environment.ok());
  // What did not fit into the place of the old one is cut.
  CHECK(("lightv-monitor " + id).starts_with(title->c_str()));
  CHECK(title->find_first_not_of('\0', title->find('\0')) == std::string::npos);
  CHECK(environment->find_first_not_of('\0') == std::string::npos);
}
