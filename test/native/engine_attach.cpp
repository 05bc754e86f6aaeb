// Clients that come, go, are slow or die, and what others notice of it: nothing.
#include "engine_fixture.hpp"

using namespace enginetest;

TEST_CASE("attach: a client that comes later gets what comes later, and leaves without harm") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/cat"});
  request.spec.openStdin = true;
  const std::string id = home.run(std::move(request));
  for (int round = 0; round < 3; round++) {
    Capture out;
    auto client = home.engine().attach(id, {.out = out.in()}, true);
    INFO(client.error().message());
    REQUIRE(client.ok());
    REQUIRE(client->stdinEnd.valid());
    const std::string line = "round " + std::to_string(round) + "\n";
    REQUIRE(writeAll(client->stdinEnd.get(), line, "stdin").ok());
    CHECK(out.readUntil(line) == line);
  }
  CHECK(home.info(id).status == SandboxStatus::running);
  CHECK(home.engine().attach("0000000000000000", {}, false).error().err == ENOENT);
}

TEST_CASE("attach: a client that does not read delays neither the exit nor others, and still gets all") {
  if (!canRun()) return;
  const Home home;
  Capture slow;
  REQUIRE(::fcntl(slow.in(), F_SETPIPE_SZ, 4096) >= 4096);
  CreateRequest request = home.shell("sleep 0.2; seq 1 90000; exit 6");
  request.spec.log.maxSizeBytes = 64U << 20;
  const std::string id = home.make(std::move(request));
  auto started = home.engine().start(id, {.attach = {.out = slow.in()}});
  REQUIRE(started.ok());
  slow.closeIn();
  // Back-pressure holds the workload while it runs; a stop ends it all the same, and everybody else is told.
  REQUIRE(eventually([&] { return home.log(id).find(" 900\n") != std::string::npos; }));
  CHECK(home.info(id).status == SandboxStatus::running);
  CHECK(home.engine().stop(id, SIGKILL, 0).ok());
  CHECK(home.info(id).exit->exitCode == 137);
  CHECK(eventually([&] { return home.groups().empty(); }));
  const std::string text = slow.readUntil("");
  CHECK(text.starts_with("1\n2\n3\n"));
  std::string logged;
  for (const std::string& line : split(home.log(id), '\n')) {
    if (line.size() < kTimeLength + 10) continue;
    logged += line.substr(kTimeLength + 10) + (line[kTimeLength + 8] == 'F' ? "\n" : "");
  }
  CHECK(text == logged);
  CHECK(receiveExit(started->control.get()).exitCode == 137);
  CHECK(home.isQuiet());
}

TEST_CASE("attach: a client that dies in the middle does not stop its sandbox") {
  if (!canRun()) return;
  const Home home;
  Capture out;
  const std::string id = home.make(home.shell("while :; do echo line; sleep 0.01; done"));
  auto started = home.engine().start(id, {.attach = {.out = out.in(), .err = out.in()}});
  REQUIRE(started.ok());
  out.closeIn();
  out.readUntil("line\nline\n");
  out.closeOut();
  started->control.reset();
  const std::size_t lines = home.log(id).size();
  CHECK(eventually([&] { return home.log(id).size() > lines + 1000; }));
  CHECK(home.info(id).status == SandboxStatus::running);
}

TEST_CASE("attach: with a terminal both streams are one, and the client has its master") {
  if (!canRun()) return;
  const Home home;
  Capture out;
  CreateRequest request = home.shell("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; read word; echo got $word");
  request.spec.terminal = request.spec.openStdin = true;
  const std::string id = home.make(std::move(request));
  auto started = home.engine().start(id, {.attach = {.out = out.in()}, .attachStdin = true});
  INFO(started.error().message());
  REQUIRE(started.ok());
  REQUIRE(::isatty(started->stdinEnd.get()) == 1);
  CHECK(out.readUntil("terminal\r\n").find("terminal\r\n") != std::string::npos);
  REQUIRE(writeAll(started->stdinEnd.get(), "hello\n", "terminal").ok());
  CHECK(out.readUntil("got hello\r\n").find("got hello\r\n") != std::string::npos);
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  CHECK(home.isQuiet());
}

TEST_CASE("attach: SIGTERM to a monitor stops its sandbox politely") {
  if (!canRun()) return;
  const Home home;
  const std::string id = home.run(home.shell("trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done"));
  REQUIRE(eventually([&] { return home.log(id).find("ready") != std::string::npos; }));
  REQUIRE(::kill(home.info(id).monitorPid, SIGTERM) == 0);
  CHECK(home.engine().wait(id)->exitCode == 8);
  CHECK_FALSE(home.info(id).exit->lost);
}
