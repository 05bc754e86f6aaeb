// The words and files of a monitor: what is written reads back, and what is broken is refused.
#include "monitor/records.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>

#include "lv_builder.hpp"
#include "monitor/control.hpp"
#include "monitor/lock.hpp"

using namespace lightv;

TEST_CASE("records: state, exit and start read back as they were") {
  const lvtest::TempDir home;
  const std::string path = home.at("record.json");
  StateRecord state{SandboxStatus::paused, 11,        12, 13, "2026-01-01T00:00:00.000000001Z", 4,
                    {"a \"warning\""},     ExitInfo{}};
  state.exit->exitCode = 139;
  state.exit->signal = 11;
  REQUIRE(lvtest::writeBytes(path, toJson(state)));
  const auto read = readState(path);
  REQUIRE(read.ok());
  CHECK(toJson(*read) == toJson(state));
  CHECK(read->exit->signal == 11);
  const ExitRecord exit{{137, 9, true, true, "then", "why"}, "started", 7, {"w"}, 5, 600};
  REQUIRE(lvtest::writeBytes(path, toJson(exit)));
  REQUIRE(readExitRecord(path).ok());
  CHECK(toJson(*readExitRecord(path)) == toJson(exit));
  REQUIRE(lvtest::writeBytes(path, toJson(StartRecord{"then", 3})));
  CHECK(readStartRecord(path)->restartCount == 3);
}

TEST_CASE("records: a key of a newer version is forgiven, anything broken is not") {
  const lvtest::TempDir home;
  const std::string path = home.at("state.json");
  CHECK(readState(path).error().err == ENOENT);
  REQUIRE(lvtest::writeBytes(path, R"({"status":"running","pid":5,"later":{"x":1}})"));
  CHECK(readState(path)->pid == 5);
  for (const char* broken :
       {"", "{", "[]", R"({"status":"asleep"})", R"({"pid":"5"})", R"({"exit":{"exitCode":256}})"}) {
    INFO(broken);
    REQUIRE(lvtest::writeBytes(path, broken));
    CHECK(readState(path).error().err == EBADMSG);
  }
}

TEST_CASE("control: requests and answers survive the wire") {
  const ControlRequest stop{.op = ControlOp::stop, .signal = 3, .timeoutMs = 1234};
  const auto parsed = parseRequest(toJson(stop));
  REQUIRE(parsed.ok());
  CHECK(parsed->op == ControlOp::stop);
  CHECK(parsed->signal == 3);
  CHECK(parsed->timeoutMs == 1234);
  const ControlRequest policy{.op = ControlOp::restartPolicy, .restart = {RestartWhen::onFailure, 9}};
  CHECK(parseRequest(toJson(policy))->restart == policy.restart);
  const Error error{"exec", ENOENT, "/bin/x", "look into the image"};
  const auto answer = parseAnswer(errorAnswer(error));
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().op == "exec");
  CHECK(answer.error().err == ENOENT);
  CHECK(answer.error().message() == error.message());
  ControlAnswer ended;
  ended.exit = ExitInfo{.exitCode = 5};
  CHECK(parseAnswer(toJson(ended))->exit->exitCode == 5);
  CHECK_FALSE(parseAnswer(toJson(ControlAnswer{}))->exit.has_value());
}

TEST_CASE("control: an unknown operation, key or value is refused by name") {
  CHECK(parseRequest(R"({"op":"dance"})").error().message().find("op") != std::string::npos);
  CHECK(parseRequest(R"({"op":"start","stdin":true,"later":{"x":1}})")->wantStdin);  // a newer agent's key
  CHECK_FALSE(parseRequest(R"({"op":"kill","signal":65})").ok());
  CHECK_FALSE(parseRequest(R"({})").ok());
  CHECK_FALSE(parseRequest("kill").ok());
}

TEST_CASE("lock: one engine at a time, also within a process, and it is free when its owner lets go") {
  const lvtest::TempDir home;
  const SandboxFiles files({home.at("root"), home.at("run")}, "0123456789abcdef");
  CHECK(whoHolds(files)->holder == Holder::nobody);
  {
    const auto lock = tryLockForEngine(files);
    REQUIRE(lock.ok());
    CHECK(whoHolds(files)->holder == Holder::engine);
    CHECK(tryLockForEngine(files).error().err == EAGAIN);
    CHECK(lockForEngine(files, 20).error().err == ETIMEDOUT);
  }
  CHECK(whoHolds(files)->holder == Holder::nobody);
}

TEST_CASE("lock: a living monitor is told by its pid, an ending one is waited for") {
  const lvtest::TempDir home;
  const SandboxFiles files({home.at("root"), home.at("run")}, "0123456789abcdef");
  REQUIRE(makeDirs(files.runDirectory()).ok());
  StateRecord state;
  state.status = SandboxStatus::running;
  REQUIRE(lvtest::writeBytes(files.state(), toJson(state)));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Fd read(ends[0]);
  Fd write(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto lock = lockForMonitor(files);
    (void)!::write(write.get(), lock.ok() ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(read.get(), &byte, 1) == 1);
  CHECK(byte == 'y');
  CHECK(whoHolds(files)->holder == Holder::monitor);
  CHECK(whoHolds(files)->monitorPid == pid);
  CHECK(lockForEngine(files, 1000).error().err == EBUSY);
  CHECK(lockForMonitor(files, 1000).error().err == EALREADY);
  state.status = SandboxStatus::exited;
  REQUIRE(lvtest::writeBytes(files.state(), toJson(state)));
  CHECK(lockForEngine(files, 20).error().err == ETIMEDOUT);
  REQUIRE(::kill(pid, SIGKILL) == 0);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  CHECK(lockForEngine(files, 20).ok());
}
