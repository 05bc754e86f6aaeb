// What a sandbox's rights come to in real processes: the filter of its own profile, and each capability set.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/capabilities.hpp"
#include "core/launch.hpp"
#include "core/sysctl.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::readAll;
using lightv::test::Running;
using lightv::test::SandboxFixture;
using lightv::test::waitFor;

namespace {

/** Allows all but what `rules` say. */
std::string profileBut(const std::string& rules) {
  return R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[)" + rules + "]}";
}

const std::string noMkdir =
    profileBut(R"({"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28})");  // ENOSPC

Outcome runShell(SandboxFixture& fixture, Spec spec, const std::string& script) {
  spec.args = {"sh", "-c", script};
  Outcome outcome = fixture.run(spec);
  INFO(outcome.error.message());
  REQUIRE(outcome.started);
  return outcome;
}

std::string execOutput(Running& running, const Spec& spec, const std::string& script, const std::string& user = "",
                       bool privileged = false) {
  int pair[2];
  REQUIRE(::pipe2(pair, O_CLOEXEC) == 0);
  ExecSpec exec{.args = {"sh", "-c", script}, .env = spec.env, .cwd = "/", .user = user};
  exec.stdio = {.in = -1, .out = pair[1], .err = pair[1]};
  exec.privileged = privileged;
  const Result<ExecHandle> handle = execInside(spec, running.launched->initPid, running.cgroup, exec);
  ::close(pair[1]);
  const std::string text = readAll(pair[0]);
  ::close(pair[0]);
  INFO((handle ? "" : handle.error().message()));
  REQUIRE(handle.ok());
  (void)waitFor(handle->pid);
  return text;
}

constexpr const char* showSets = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d ' \\t'";

std::string hex(CapabilitySet set) {
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(set));
  return text;
}

/** showSets' output for one set in force and one that bounds what may ever be. */
std::string sets(CapabilitySet own, CapabilitySet bound, bool noNewPrivileges = true, int filter = 2) {
  return "CapInh:" + hex(0) + "\nCapPrm:" + hex(own) + "\nCapEff:" + hex(own) + "\nCapBnd:" + hex(bound) +
         "\nCapAmb:" + hex(0) + "\nNoNewPrivs:" + (noNewPrivileges ? "1" : "0") +
         "\nSeccomp:" + std::to_string(filter) + "\n";
}

}  // namespace

TEST_CASE("seccomp profile: a sandbox has its own, exec too, and the privileged exec none") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.readOnlyRoot = false;
  spec.seccompProfile = noMkdir;
  CHECK(runShell(fixture, spec, "mkdir /x").output == "mkdir: can't create directory '/x': No space left on device\n");
  // The default is not in force beside it: what that would refuse is for the profile to say.
  CHECK(runShell(fixture, spec, "unshare -U true && echo yes").output == "yes\n");
  spec.args = {"sleep", "1000"};
  Running running(fixture, spec);
  REQUIRE(running.launched.ok());
  const std::string refused = execOutput(running, spec, "mkdir /y");
  CHECK(refused == "mkdir: can't create directory '/y': No space left on device\n");
  CHECK(execOutput(running, spec, "mkdir /y && echo made", "", true) == "made\n");
}

TEST_CASE("seccomp profile: one that allows next to nothing still starts") {
  SandboxFixture fixture;
  Spec spec = fixture.command({"true"});
  // No word to the engine passes such a filter: all that was to be told has been told before. The last two are the
  // address sanitizer's.
  spec.seccompProfile = R"({"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[{"action":"SCMP_ACT_ALLOW","names":[
      "execve","exit_group","brk","mmap","munmap","mprotect","arch_prctl","set_tid_address","set_robust_list","rseq",
      "prlimit64","readlinkat","readlink","getrandom","getuid","getgid","setuid","setgid","prctl","fstat",
      "newfstatat","uname","getpid","ioctl","close","openat","read","faccessat","access","pread64","sigaltstack","gettid"]}]})";
  const Outcome outcome = fixture.run(spec);
  INFO(outcome.error.message());
  CHECK(outcome.started);
  CHECK(outcome.exit.exitCode == 0);
}

TEST_CASE("seccomp profile: what can't be read starts nothing, and execs nothing") {
  SandboxFixture fixture;
  Spec spec = fixture.command({"true"});
  for (const char* broken : {"{", R"({"defaultAction":"SCMP_ACT_ALOW"})", R"({"syscalls":[]})"}) {
    spec.seccompProfile = broken;
    const Outcome outcome = fixture.run(spec);
    CHECK_FALSE(outcome.started);
    CHECK(outcome.error.op == "seccomp profile");
  }
  Spec good = fixture.command({"sleep", "1000"});
  Running running(fixture, good);
  REQUIRE(running.launched.ok());
  const ExecSpec exec{.args = {"true"}, .cwd = "/"};
  const Result<ExecHandle> handle = execInside(spec, running.launched->initPid, running.cgroup, exec);
  REQUIRE_FALSE(handle.ok());
  CHECK(handle.error().op == "seccomp profile");
}

TEST_CASE("seccomp profile: without no_new_privs it is in force too") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.readOnlyRoot = false;
  spec.noNewPrivileges = false;
  spec.seccompProfile = noMkdir;
  CHECK(runShell(fixture, spec, "mkdir /x").exit.exitCode == 1);
  CHECK(runShell(fixture, spec, "grep Seccomp: /proc/self/status").output == "Seccomp:\t2\n");
}

TEST_CASE("capabilities: each set of root's is what was asked for, and nothing can be inherited") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  for (const auto& [add, drop] : {std::pair<std::vector<std::string>, std::vector<std::string>>{{}, {}},
                                  {{"NET_RAW", "SYS_TIME"}, {"CHOWN"}},
                                  {{}, {"ALL"}},
                                  {{"NET_BIND_SERVICE"}, {"ALL"}}}) {
    spec.capabilities = *resolveCapabilities(add, drop);
    const CapabilitySet set = *capabilitySet(spec.capabilities);
    CAPTURE(set);
    CHECK(runShell(fixture, spec, showSets).output == sets(set, set));
  }
}

// Docker (moby, oci.SetCapabilities): another user than root has the bounding set alone, as execve would leave it, and
// the ambient set is never used; what he may get is what a file of the image gives, without no_new_privs.
TEST_CASE("capabilities: another user than root has none in force, whatever was added") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.user = "1000:1000";
  spec.capabilities = *resolveCapabilities({"NET_ADMIN"}, {"SETUID"});
  const CapabilitySet bound = *capabilitySet(spec.capabilities);
  CHECK(runShell(fixture, spec, showSets).output == sets(0, bound));
  spec.noNewPrivileges = false;
  CHECK(runShell(fixture, spec, showSets).output == sets(0, bound, false));
}

TEST_CASE("capabilities: exec has the sandbox's sets, as root and as another user, and all when privileged") {
  SandboxFixture fixture;
  Spec spec = fixture.command({"sleep", "1000"});
  spec.capabilities = *resolveCapabilities({"NET_ADMIN"}, {"SETUID"});
  const CapabilitySet set = *capabilitySet(spec.capabilities);
  Running running(fixture, spec);
  REQUIRE(running.launched.ok());
  CHECK(execOutput(running, spec, showSets) == sets(set, set));
  CHECK(execOutput(running, spec, showSets, "1000") == sets(0, set));
  const std::string all = execOutput(running, spec, showSets, "", true);
  CHECK(all.find("CapInh:" + hex(0)) == 0);
  CHECK(all.find("Seccomp:0") != std::string::npos);
  CHECK(all.find("CapEff:" + hex(set)) == std::string::npos);
  const std::string other = execOutput(running, spec, showSets, "1000", true);
  CHECK(other.find("CapEff:" + hex(0)) != std::string::npos);
}

TEST_CASE("sysctl: what is a setting of the sandbox's own, and what is refused and why") {
  Spec spec;
  const auto check = [&](const std::string& key, const std::string& value = "1") {
    spec.sysctls = {{key, value}};
    const Status status = checkSysctls(spec);
    return status ? std::string() : status.error().detail;
  };
  for (const char* key :
       {"net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/forwarding", "net.ipv6.conf.all.disable_ipv6", "kernel.shmmax",
        "kernel.msgmnb", "kernel.sem", "kernel.shm_rmid_forced", "fs.mqueue.msg_max", "kernel.domainname"}) {
    CHECK(check(key) == "");
  }
  CHECK(check("kernel.core_pattern") == "kernel.core_pattern: it is a setting of the whole machine");
  CHECK(check("kernel/core_pattern") == "kernel/core_pattern: it is a setting of the whole machine");
  CHECK(check("vm.overcommit_memory") == "vm.overcommit_memory: it is a setting of the whole machine");
  CHECK(check("kernel.shmmax_other") == "kernel.shmmax_other: it is a setting of the whole machine");
  CHECK(check("fs.mqueues.x") == "fs.mqueues.x: it is a setting of the whole machine");
  CHECK(check("kernel.hostname") == "kernel.hostname: the host name has an option of its own");
  for (const char* key : {"", ".", "net..x", "net/../kernel/core_pattern", "net.//.x", "/net/x", "net x", "net/./x"}) {
    CAPTURE(key);
    CHECK(check(key) == "\"" + std::string(key) + "\"");
  }
  CHECK(check("net.ipv4.ip_forward", "") == "net.ipv4.ip_forward");
  spec.network = Network::host;
  CHECK(check("net.ipv4.ip_forward") == "net.ipv4.ip_forward: the sandbox has the host's network");
  CHECK(check("kernel.shmmax") == "");
  CHECK(*sysctlPath("net.ipv4.conf.eth0/100.forwarding") == "net/ipv4/conf/eth0.100/forwarding");
  CHECK(*sysctlPath("net/ipv4/conf/eth0.100/forwarding") == "net/ipv4/conf/eth0.100/forwarding");
}

TEST_CASE("sysctl: set inside, the same outside, and not to be changed from inside") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  const auto host = [](const char* path) { return *readFile(path); };
  const std::string before = host("/proc/sys/kernel/msgmax") + host("/proc/sys/fs/mqueue/msg_max") +
                             host("/proc/sys/net/ipv4/ip_default_ttl") + host("/proc/sys/kernel/domainname");
  spec.sysctls = {{"kernel.msgmax", "4242"},
                  {"fs.mqueue.msg_max", "42"},
                  {"net.ipv4.ip_default_ttl", "42"},
                  {"net.ipv4.ip_unprivileged_port_start", "700"},
                  {"kernel.domainname", "example.org"}};
  for (const UserNamespace userns : {UserNamespace::host, UserNamespace::automatic}) {
    spec.userns = userns;
    CHECK(runShell(fixture, spec,
                   "cd /proc/sys; cat kernel/msgmax fs/mqueue/msg_max net/ipv4/ip_default_ttl "
                   "net/ipv4/ip_unprivileged_port_start kernel/domainname")
              .output == "4242\n42\n42\n700\nexample.org\n");
    CHECK(runShell(fixture, spec, "echo 1 > /proc/sys/kernel/msgmax").exit.exitCode != 0);
  }
  CHECK(before == host("/proc/sys/kernel/msgmax") + host("/proc/sys/fs/mqueue/msg_max") +
                      host("/proc/sys/net/ipv4/ip_default_ttl") + host("/proc/sys/kernel/domainname"));
}

TEST_CASE("sysctl: one that this kernel has not, or a value that it refuses, starts nothing") {
  SandboxFixture fixture;
  Spec spec = fixture.command({"true"});
  for (const auto& [key, value] : {std::pair("net.ipv4.no_such_setting", "1"), std::pair("kernel.msgmax", "many"),
                                   std::pair("kernel.core_pattern", "|/x")}) {
    spec.sysctls = {{key, value}};
    const Outcome outcome = fixture.run(spec);
    CHECK_FALSE(outcome.started);
    CHECK(outcome.error.op == "sysctl");
  }
}
