// What a sandbox can read of the host and of the engine: nothing.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "core/capabilities.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

using namespace lightv;
using lightv::test::Running;
using lightv::test::SandboxFixture;

namespace {

constexpr const char* kLook = "cat /proc/self/mountinfo";

/** Where the roots come from, in all ways that launch() knows. */
struct Case {
  const char* name;
  bool readOnly;
  bool ownLayer;  // upper and work directories on the host
  UserNamespace userns;
};
constexpr Case kCases[] = {{"read-only", true, false, UserNamespace::host},
                           {"tmpfs over it", false, false, UserNamespace::host},
                           {"a layer over it", false, true, UserNamespace::host},
                           {"read-only, mapped", true, false, UserNamespace::automatic},
                           {"tmpfs over it, mapped", false, false, UserNamespace::automatic},
                           {"a layer over it, mapped", false, true, UserNamespace::automatic}};

constexpr const char* kPlaces[] = {"//", "/proc/", "/dev/", "/sys/", "/etc/hostname/", "/etc/hosts/"};

/** A sandbox whose program writes to `out`. */
Result<Launched> launchCase(SandboxFixture& fixture, const Case& kind, const Spec& spec, Cgroup& cgroup, int out) {
  const Fd root = fixture.rootMount();
  LaunchParts parts;
  parts.rootMount = root.get();
  parts.cgroup = &cgroup;
  parts.stdio = {-1, out, out};
  if (kind.ownLayer) {
    parts.upperDir = fixture.dir() / ("upper-" + spec.id);
    parts.workDir = fixture.dir() / ("work-" + spec.id);
    REQUIRE(makeDirs(parts.upperDir, 0755).ok());
    REQUIRE(makeDirs(parts.workDir, 0755).ok());
  }
  return launch(spec, parts);
}

std::string execOutput(const Spec& spec, const Launched& launched, const Cgroup& cgroup, const std::string& script) {
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  ExecSpec exec;
  exec.args = {"sh", "-c", script};
  exec.env = {"PATH=/bin"};
  exec.stdio = {-1, out.get(), out.get()};
  const Result<ExecHandle> handle = execInside(spec, launched.initPid, cgroup, exec);
  out.reset();
  REQUIRE(handle.ok());
  std::string text = test::readAll(in.get());
  CHECK(test::waitFor(handle->pid) == 0);
  return text;
}

/** One mount at "/", all others where the plan puts them, and no name of the host's. */
void checkMounts(const std::string& mountinfo, const std::string& hostDirectory) {
  unsigned roots = 0;
  for (const std::string& line : split(trim(mountinfo), '\n')) {
    const std::vector<std::string> fields = split(line, ' ');
    CAPTURE(line);
    REQUIRE(fields.size() > 6);
    const std::string& place = fields[4];
    CHECK(std::any_of(std::begin(kPlaces), std::end(kPlaces),
                      [&](const char* start) { return (place + "/").rfind(start, 0) == 0; }));
    if (place == "/") roots++;
    // Options of a mount name paths too; a bind's own root (the fourth field) is what it is.
    CHECK(line.substr(line.find(" - ")).find(hostDirectory) == std::string::npos);
  }
  CHECK(roots == 1);
}

}  // namespace

TEST_CASE("unseen: no mount of the host is in a sandbox, nor in what joins it") {
  SandboxFixture fixture;
  for (const Case& kind : kCases) {
    CAPTURE(kind.name);
    Spec spec = fixture.shell(std::string(kLook) + "; exec >/dev/null 2>&1; sleep 1000");
    spec.readOnlyRoot = kind.readOnly;
    spec.userns = kind.userns;
    Cgroup cgroup = fixture.makeCgroup(spec);
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    Fd out(pipe[1]);
    const Fd in(pipe[0]);
    const Result<Launched> launched = launchCase(fixture, kind, spec, cgroup, out.get());
    out.reset();
    REQUIRE_MESSAGE(launched.ok(), (launched.ok() ? "" : launched.error().message()));
    checkMounts(test::readAll(in.get()), fixture.dir().path());
    checkMounts(execOutput(spec, *launched, cgroup, kLook), fixture.dir().path());
    CHECK(execOutput(spec, *launched, cgroup, "ls /proc/self/fd") == "0\n1\n2\n3\n");  // 3: ls's own
    REQUIRE(::kill(launched->initPid, SIGKILL) == 0);
    CHECK(test::waitFor(launched->initPid) == 128 + SIGKILL);
    CHECK(cgroup.remove().ok());
  }
}

TEST_CASE("unseen: PID 1 shows neither the command line nor the environment of whoever started it") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.args = {"sh", "-c",
               "tr -d '\\0' < /proc/1/cmdline; echo; tr -d '\\0' < /proc/1/environ | wc -c; cat /proc/1/comm"};
  const std::string nothing = "lightv-init\n0\nlightv-init\n";
  SUBCASE("where it may not look") {
    spec.args[2] = "tr -d '\\0' < /proc/1/cmdline; echo; (cat /proc/1/environ | wc -c) 2>/dev/null; cat /proc/1/comm";
  }
  SUBCASE("where it may: new kernels let CAP_SYS_ADMIN read a process that is not dumpable") {
    spec.capabilities = {"SYS_ADMIN", "SYS_PTRACE"};
  }
  const test::Outcome outcome = fixture.run(spec);
  REQUIRE(outcome.started);
  CHECK(outcome.output == nothing);
}

TEST_CASE("unseen: an exec shows its caller's command line at no moment") {
  SandboxFixture fixture;
  // Writes every command line that it sees: the joining process, before it executes, is among them.
  const Spec spec = fixture.shell(
      "while :; do for f in /proc/[0-9]*/cmdline; do read -r line < $f; case $line in *lightv-[t]ests*) echo $line;; "
      "esac; "
      "done; done 2>/dev/null");
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  {
    const Running sandbox(fixture, spec, Stdio{-1, out.get(), out.get()});
    out.reset();
    REQUIRE(sandbox.launched.ok());
    for (int i = 0; i < 30; i++) CHECK(execOutput(spec, *sandbox.launched, sandbox.cgroup, "true").empty());
  }
  CHECK(test::readAll(in.get()).empty());
}
