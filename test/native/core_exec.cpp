// Joining a sandbox that runs, and terminals.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "core/capabilities.hpp"
#include "sandbox_fixture.hpp"
#include "sys/syscalls.hpp"

using namespace lightv;
using lightv::test::Running;
using lightv::test::SandboxFixture;

namespace {

struct ExecOutcome {
  int exitCode = -1;
  std::string output;
  Error error;
};

ExecOutcome execute(const Spec& spec, const Running& sandbox, ExecSpec exec) {
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  exec.stdio = {-1, out.get(), out.get()};
  if (exec.env.empty()) exec.env = {"PATH=/bin"};
  Result<ExecHandle> handle = execInside(spec, sandbox.launched->initPid, sandbox.cgroup, exec);
  out.reset();
  ExecOutcome outcome;
  if (!handle) {
    outcome.error = handle.error();
    return outcome;
  }
  outcome.output = test::readAll(in.get());
  outcome.exitCode = test::waitFor(handle->pid);
  return outcome;
}

/** Reads a terminal until `end` has come. */
std::string readUntil(int fd, const std::string& end) {
  std::string text;
  char buffer[256];
  while (text.find(end) == std::string::npos) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    REQUIRE_MESSAGE(got > 0, text);
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

ExecSpec script(const std::string& text) {
  ExecSpec exec;
  exec.args = {"sh", "-c", text};
  return exec;
}

}  // namespace

TEST_CASE("exec: joins every namespace and the cgroup, and gives everything up again") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("sleep 1000");
  SUBCASE("") {}
  SUBCASE("of a sandbox with a user namespace") {
    spec.userns = UserNamespace::automatic;
  }
  SUBCASE("on the host's network") {
    spec.network = Network::host;
  }
  Running sandbox(fixture, spec);
  REQUIRE_MESSAGE(sandbox.launched.ok(), (sandbox.launched.ok() ? "" : sandbox.launched.error().message()));
  CHECK(execute(spec, sandbox, script("hostname; id -u; ls /proc/self/fd; exit 5")).output == "box\n0\n0\n1\n2\n3\n");
  CHECK(execute(spec, sandbox, script("exit 5")).exitCode == 5);
  CHECK(execute(spec, sandbox, script("kill -9 $$")).exitCode == 137);
  CHECK(execute(spec, sandbox, script("ps -o args | grep -c '^sleep 1000$'")).output == "1\n");
  CHECK(execute(spec, sandbox, script("grep -c :/$ /proc/self/cgroup")).output ==
        execute(spec, sandbox, script("grep -c . /proc/self/cgroup")).output);
  CHECK(
      execute(spec, sandbox, script("sed -n 's/^CapEff:[\\t ]*//p;s/^Seccomp:[\\t ]*//p' /proc/self/status")).output ==
      "00000000800405fb\n2\n");
  ExecSpec privileged = script("sed -n 's/^Seccomp:[\\t ]*//p' /proc/self/status; unshare -m true && echo mounted");
  privileged.privileged = true;
  CHECK(execute(spec, sandbox, privileged).output == "0\nmounted\n");
}

TEST_CASE("exec: user and working directory, and errors that say which") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("sleep 1000");
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  ExecSpec exec = script("id -u; pwd");
  exec.user = "app";
  exec.cwd = "/tmp";
  CHECK(execute(spec, sandbox, exec).output == "1000\n/tmp\n");
  exec.cwd = "/nowhere";
  CHECK(execute(spec, sandbox, exec).error.op == "working directory");
  exec.cwd.clear();
  exec.user = "nobody-here";
  CHECK(execute(spec, sandbox, exec).error.op == "user");
  exec.user.clear();
  exec.args = {"no-such-command"};
  CHECK(execute(spec, sandbox, exec).error.op == "exec");
  CHECK(execute(spec, sandbox, exec).error.err == ENOENT);
}

TEST_CASE("exec: works where setns takes no pidfd") {
  const sys::MissingCall missing(sys::Call::setnsPidfd);
  SandboxFixture fixture;
  Spec spec = fixture.shell("sleep 1000");
  spec.userns = UserNamespace::automatic;
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  CHECK(execute(spec, sandbox, script("hostname; id -u")).output == "box\n0\n");
}

TEST_CASE("exec: a sandbox that has ended can't be joined") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("true");
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  REQUIRE(readExit(*sandbox.launched).ok());
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(sandbox.launched->initPid), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(execute(spec, sandbox, script("true")).error.op.empty());
}

TEST_CASE("terminal: the workload has one, its master is the caller's, and size and Ctrl-C go through it") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("tty; echo ready; read line; stty size; cat");
  spec.terminal = true;
  SUBCASE("") {}
  SUBCASE("in a user namespace") {
    spec.userns = UserNamespace::automatic;
  }
  SUBCASE("as PID 1") {
    spec.init = false;
  }
  Running sandbox(fixture, spec);
  REQUIRE_MESSAGE(sandbox.launched.ok(), (sandbox.launched.ok() ? "" : sandbox.launched.error().message()));
  const int master = sandbox.launched->ptyMaster.get();
  REQUIRE(master >= 0);
  CHECK(readUntil(master, "ready\r\n") == "/dev/pts/0\r\nready\r\n");
  const winsize size{30, 100, 0, 0};
  REQUIRE(::ioctl(master, TIOCSWINSZ, &size) == 0);
  REQUIRE(::write(master, "\n", 1) == 1);
  CHECK(readUntil(master, "100\r\n") == "\r\n30 100\r\n");
  if (!spec.init) return;  // PID 1 takes no SIGINT that it has no handler for
  REQUIRE(::write(master, "\x03", 1) == 1);
  const Result<WorkloadExit> exit = readExit(*sandbox.launched);
  REQUIRE(exit.ok());
  CHECK(exit->exitCode == 130);
}

TEST_CASE("terminal: its size is right from the first instruction on") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("stty size; sleep 1000");
  spec.terminal = true;
  Stdio stdio;
  stdio.size = {41, 123};
  Running sandbox(fixture, spec, stdio);
  REQUIRE_MESSAGE(sandbox.launched.ok(), (sandbox.launched.ok() ? "" : sandbox.launched.error().message()));
  CHECK(readUntil(sandbox.launched->ptyMaster.get(), "\r\n") == "41 123\r\n");
  ExecSpec exec = script("stty size");
  exec.env = {"PATH=/bin"};
  exec.terminal = true;
  exec.stdio.size = {7, 300};
  Result<ExecHandle> handle = execInside(spec, sandbox.launched->initPid, sandbox.cgroup, exec);
  REQUIRE_MESSAGE(handle.ok(), (handle.ok() ? "" : handle.error().message()));
  CHECK(readUntil(handle->ptyMaster.get(), "\r\n") == "7 300\r\n");
  CHECK(test::waitFor(handle->pid) == 0);
}

TEST_CASE("terminal: exec gets one of the sandbox's own") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("sleep 1000");
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  ExecSpec exec = script("tty; test -t 1");
  exec.env = {"PATH=/bin"};
  exec.terminal = true;
  Result<ExecHandle> handle = execInside(spec, sandbox.launched->initPid, sandbox.cgroup, exec);
  REQUIRE_MESSAGE(handle.ok(), (handle.ok() ? "" : handle.error().message()));
  CHECK(readUntil(handle->ptyMaster.get(), "\n") == "/dev/pts/0\r\n");
  CHECK(test::waitFor(handle->pid) == 0);
}
