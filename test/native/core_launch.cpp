// Real sandboxes: starting, ending, exit codes.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "warnings.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::Running;
using lightv::test::SandboxFixture;

TEST_CASE("launch: the workload's exit code is the sandbox's") {
  SandboxFixture fixture;
  for (const bool init : {true, false}) {
    CAPTURE(init);
    for (const int code : {0, 7, 255}) {
      Spec spec = fixture.shell("exit " + std::to_string(code));
      spec.init = init;
      const Outcome outcome = fixture.run(spec);
      INFO(outcome.error.message());
      REQUIRE(outcome.started);
      CHECK(outcome.exit.exitCode == code);
      CHECK(outcome.exit.signal == 0);
    }
  }
}

TEST_CASE("launch: what the workload writes arrives, warnings do not") {
  SandboxFixture fixture;
  const Outcome outcome = fixture.run(fixture.shell("echo out; echo err >&2"));
  INFO(outcome.error.message());
  CHECK(outcome.output == "out\nerr\n");
  std::string warnings;
  for (const std::string& warning : lvtest::unexpected(outcome.warnings)) warnings += warning + "\n";
  CHECK(warnings == "");
}

TEST_CASE("launch: a command that is not there is ENOENT of exec, one that is no program EACCES or ENOEXEC") {
  SandboxFixture fixture;
  Outcome outcome = fixture.run(fixture.command({"no-such-command"}));
  CHECK_FALSE(outcome.started);
  CHECK(outcome.error.op == "exec");
  CHECK(outcome.error.err == ENOENT);
  CHECK(outcome.error.detail == "no-such-command");

  outcome = fixture.run(fixture.command({"/etc/passwd"}));
  CHECK(outcome.error.op == "exec");
  CHECK(outcome.error.err == EACCES);

  REQUIRE(writeFileAtomic(fixture.root() + "/bin/garbage", "\x01\x02", 0755).ok());
  outcome = fixture.run(fixture.command({"garbage"}));
  CHECK(outcome.error.op == "exec");
  CHECK(outcome.error.err == ENOEXEC);
}

TEST_CASE("launch: a signal that ends the workload is told apart from its exit code") {
  SandboxFixture fixture;
  Outcome outcome = fixture.run(fixture.shell("kill -KILL $$"));
  CHECK(outcome.exit.exitCode == 137);
  CHECK(outcome.exit.signal == SIGKILL);
  outcome = fixture.run(fixture.shell("kill -TERM $$"));
  CHECK(outcome.exit.exitCode == 143);
  CHECK(outcome.exit.signal == SIGTERM);
}

TEST_CASE("init: forwards signals to the workload, which has another pid than 1") {
  SandboxFixture fixture;
  Running sandbox(fixture, fixture.shell("trap 'exit 9' TERM; while true; do sleep 0.05; done"));
  REQUIRE_MESSAGE(sandbox.launched.ok(), (sandbox.launched.ok() ? "" : sandbox.launched.error().message()));
  CHECK(sandbox.launched->workloadPid != sandbox.launched->initPid);
  CHECK(sandbox.launched->workloadPid > 0);
  CHECK(::kill(sandbox.launched->workloadPid, 0) == 0);
  // The shell needs a moment to set its trap: a signal before that would end it.
  ::usleep(300000);
  siginfo_t info{};
  for (int i = 0; i < 500 && info.si_pid == 0; i++) {
    (void)::kill(sandbox.launched->initPid, SIGTERM);
    ::usleep(20000);
    (void)::waitid(P_PID, static_cast<id_t>(sandbox.launched->initPid), &info, WEXITED | WNOHANG | WNOWAIT);
  }
  const Result<WorkloadExit> exit = readExit(*sandbox.launched);
  REQUIRE(exit.ok());
  CHECK((exit->exitCode == 9 || exit->exitCode == 143));
}

TEST_CASE("init: ends with everything when the monitor's end of the status socket closes") {
  SandboxFixture fixture;
  Running sandbox(fixture, fixture.shell("sleep 1000 & sleep 1000"));
  REQUIRE(sandbox.launched.ok());
  sandbox.launched->status.reset();
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(sandbox.launched->initPid), &info, WEXITED | WNOWAIT) == 0);
  CHECK(info.si_status == 137);
  const Result<std::vector<pid_t>> left = sandbox.cgroup.processes();
  REQUIRE(left.ok());
  CHECK(left->size() <= 1);  // PID 1 itself, not reaped yet
}

TEST_CASE("init: reaps orphans, and what they leave running dies with the workload") {
  SandboxFixture fixture;
  const Outcome outcome =
      fixture.run(fixture.shell("for i in 1 2 3; do (sleep 0 & ); done; sleep 0.3; ps -o pid,stat | grep -c Z; sleep "
                                "1000 >/dev/null 2>&1 & exit 3"));
  CHECK(outcome.output == "0\n");
  CHECK(outcome.exit.exitCode == 3);
}

TEST_CASE("launch: a killed PID 1 is told by waitpid after end of file") {
  SandboxFixture fixture;
  Running sandbox(fixture, fixture.shell("sleep 1000"));
  REQUIRE(sandbox.launched.ok());
  REQUIRE(::kill(sandbox.launched->initPid, SIGKILL) == 0);
  const Result<WorkloadExit> exit = readExit(*sandbox.launched);
  REQUIRE(exit.ok());
  CHECK(exit->exitCode == 137);
  CHECK(exit->signal == SIGKILL);
}
