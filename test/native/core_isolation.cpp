// Real sandboxes: what they see and what they can't do.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "core/capabilities.hpp"
#include "core/operation.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"
#include "sys/text.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::SandboxFixture;

namespace {

/** Runs a script and wants it to have started. */
Outcome shell(SandboxFixture& fixture, Spec spec, const std::string& script) {
  spec.args = {"sh", "-c", script};
  Outcome outcome = fixture.run(spec);
  INFO(outcome.error.message());
  REQUIRE(outcome.started);
  return outcome;
}

std::string output(SandboxFixture& fixture, const Spec& spec, const std::string& script) {
  return shell(fixture, spec, script).output;
}

}  // namespace

TEST_CASE("isolation: own pids, host name, network and devices") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("");
  CHECK(output(fixture, spec, "hostname; cat /etc/hostname") == "box\nbox\n");
  CHECK(output(fixture, spec, "echo /proc/[0-9]*") == "/proc/1 /proc/2\n");  // init, sh
  CHECK(output(fixture, spec, "ls /sys/class/net") == "lo\n");
  CHECK(output(fixture, spec, "ip addr show lo | grep -c 'inet 127.0.0.1'") == "1\n");
  CHECK(output(fixture, spec, "ls /dev") ==
        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
  CHECK(output(fixture, spec, "echo x > /dev/null && head -c 3 /dev/zero | wc -c") == "3\n");
  CHECK(output(fixture, spec, "stat -f -c %T /dev /proc /sys") == "tmpfs\nproc\nsysfs\n");
}

TEST_CASE("isolation: the read-only root is read-only, and so are /sys and the own cgroups") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("");
  CHECK(shell(fixture, spec, "touch /x").exit.exitCode == 1);
  CHECK(shell(fixture, spec, "mkdir /sys/fs/cgroup/x").exit.exitCode == 1);
  CHECK(shell(fixture, spec, "echo 1 > /sys/kernel/mm/ksm/run").exit.exitCode != 0);
  CHECK(shell(fixture, spec, "touch /tmp/x").exit.exitCode == 1);
  CHECK_FALSE(exists(fixture.root() + "/x"));
  CHECK(output(fixture, spec, "cat /proc/self/cgroup | sed 's/.*://' | grep -v '^/$' | wc -l") == "0\n");
}

TEST_CASE("isolation: a writable root keeps its changes in its own layer, not in the image") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.readOnlyRoot = false;
  spec.cwd = "/made/for/me";
  SUBCASE("on tmpfs") {
    CHECK(output(fixture, spec, "echo hi > /x && cat /x && pwd") == "hi\n/made/for/me\n");
    CHECK_FALSE(exists(fixture.root() + "/x"));
  }
}

TEST_CASE("isolation: upper and work directories given by the caller outlive the sandbox") {
  SandboxFixture fixture;
  // The image comes from a file system that can be a lower layer; the temporary directory can.
  const std::string upper = fixture.dir() / "upper";
  const std::string work = fixture.dir() / "work";
  REQUIRE(makeDirs(upper, 0755).ok());
  REQUIRE(makeDirs(work, 0755).ok());
  for (const UserNamespace userns : {UserNamespace::host, UserNamespace::automatic}) {
    CAPTURE(static_cast<int>(userns));
    Spec spec = fixture.shell("echo kept > /kept; chown 7:8 /kept");
    spec.readOnlyRoot = false;
    spec.userns = userns;
    Cgroup group = fixture.makeCgroup(spec);
    const Fd root = fixture.rootMount();
    LaunchParts parts;
    parts.rootMount = root.get();
    parts.upperDir = upper;
    parts.workDir = work;
    parts.cgroup = &group;
    Result<Launched> launched = launch(spec, parts);
    REQUIRE_MESSAGE(launched.ok(), (launched.ok() ? "" : launched.error().message()));
    CHECK(test::waitFor(launched->initPid) == 0);
    CHECK(group.remove().ok());
    struct stat info {};
    REQUIRE(::stat((upper + "/kept").c_str(), &info) == 0);
    // Ids on disk are the sandbox's own in both cases.
    CHECK(info.st_uid == 7);
    CHECK(info.st_gid == 8);
    REQUIRE(removeTree(upper + "/kept").ok());
  }
}

TEST_CASE("isolation: kernel secrets are masked and switches are read-only") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("");
  CHECK(output(fixture, spec, "wc -c < /proc/interrupts; wc -c < /proc/keys; wc -c < /proc/timer_list") == "0\n0\n0\n");
  CHECK(output(fixture, spec, "ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | grep -c .") == "0\n");
  CHECK(shell(fixture, spec, "echo h > /proc/sysrq-trigger").exit.exitCode != 0);
  CHECK(shell(fixture, spec, "echo 1 > /proc/sys/kernel/dmesg_restrict").exit.exitCode != 0);
  Spec open = spec;
  open.maskPaths = false;
  CHECK(output(fixture, open, "wc -c < /proc/timer_list") != "0\n");
}

TEST_CASE("isolation: nothing of the engine is in reach (CVE-2019-5736, CVE-2024-21626)") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("");
  CHECK(shell(fixture, spec, "readlink /proc/1/exe || cat /proc/1/exe").exit.exitCode != 0);
  CHECK(shell(fixture, spec, "ls /proc/1/fd /proc/1/cwd/").exit.exitCode != 0);
  // A shell whose ls sees its own directory descriptor as 3 and nothing else.
  const int leaked = ::open("/", O_RDONLY);  // not close-on-exec
  CHECK(output(fixture, spec, "ls /proc/self/fd") == "0\n1\n2\n3\n");
  Spec inside = spec;
  inside.cwd = "/proc/self/fd/" + std::to_string(leaked);
  const Outcome outcome = fixture.run(inside);
  CHECK_FALSE(outcome.started);
  CHECK(outcome.error.op == "working directory");
  ::close(leaked);
}

TEST_CASE("isolation: capabilities are those of the Spec, the rest is empty, no_new_privs is on") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  const std::string script = "sed -n 's/^\\(Cap...\\|NoNewPrivs\\|Seccomp\\):[\\t ]*//p' /proc/self/status";
  CHECK(output(fixture, spec, script) ==
        "0000000000000000\n00000000800405fb\n00000000800405fb\n00000000800405fb\n0000000000000000\n1\n2\n");
  spec.user = "app";
  CHECK(output(fixture, spec, script) ==
        "0000000000000000\n0000000000000000\n0000000000000000\n00000000800405fb\n0000000000000000\n1\n2\n");
  spec.user.clear();
  spec.capabilities = {};
  spec.seccomp = false;
  spec.noNewPrivileges = false;
  CHECK(output(fixture, spec, script) ==
        "0000000000000000\n0000000000000000\n0000000000000000\n0000000000000000\n0000000000000000\n0\n0\n");
  spec.seccomp = true;
  CHECK(output(fixture, spec, script).substr(5 * 17) == "0\n2\n");
}

TEST_CASE("isolation: users, groups, HOME and umask") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  const std::string script = "id -u; id -g; id -G; echo $HOME; umask";
  CHECK(output(fixture, spec, script) == "0\n0\n0\n/root\n0022\n");
  spec.user = "app";
  spec.groupAdd = {"more", "77"};
  CHECK(output(fixture, spec, script) == "1000\n1001\n1001 77 2000 2001\n/home/app\n0022\n");
  spec.user = "nobody-here";
  const Outcome outcome = fixture.run(spec);
  CHECK_FALSE(outcome.started);
  CHECK(outcome.error.op == "user");
}

TEST_CASE("isolation: the filter refuses namespaces, keyrings, mounts and terminal injection") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  CHECK(shell(fixture, spec, "unshare -U true").exit.exitCode != 0);
  CHECK(shell(fixture, spec, "mount -t tmpfs none /tmp").exit.exitCode != 0);
  // Also with the capability, as long as the filter was made without it.
  CHECK(shell(fixture, spec, "mknod /dev/sda b 8 0").exit.exitCode != 0);
}

TEST_CASE("isolation: binds, volumes and tmpfs are where they should be") {
  SandboxFixture fixture;
  const std::string data = fixture.dir() / "data";
  REQUIRE(makeDirs(data, 0755).ok());
  REQUIRE(writeFileAtomic(data + "/f", "content\n", 0644).ok());
  Spec spec = fixture.shell("");
  Mount bind{MountKind::bind, data, "/mnt/a/b"};
  Mount readOnly{MountKind::volume, data, "/mnt/ro", true};
  Mount file{MountKind::bind, data + "/f", "/etc/one-file"};
  Mount scratch{MountKind::tmpfs, "", "/scratch", false, 1U << 20, 0700};
  spec.mounts = {readOnly, file, scratch, bind};
  SUBCASE("over a read-only root, which gets the missing targets") {}
  SUBCASE("over a writable root") {
    spec.readOnlyRoot = false;
  }
  SUBCASE("in a user namespace") {
    spec.userns = UserNamespace::automatic;
  }
  CHECK(output(fixture, spec, "cat /mnt/a/b/f /mnt/ro/f /etc/one-file") == "content\ncontent\ncontent\n");
  CHECK(output(fixture, spec, "echo new > /mnt/a/b/g; cat /mnt/ro/g") == "new\n");
  CHECK(shell(fixture, spec, "touch /mnt/ro/h").exit.exitCode != 0);
  CHECK(output(fixture, spec, "stat -c '%a %u' /scratch; stat -f -c %T /scratch") == "700 0\ntmpfs\n");
  CHECK(shell(fixture, spec, "dd if=/dev/zero of=/scratch/big bs=1M count=2").exit.exitCode != 0);
  if (spec.readOnlyRoot) CHECK(shell(fixture, spec, "touch /x").exit.exitCode != 0);
  CHECK_FALSE(exists(fixture.root() + "/mnt"));
  struct stat info {};
  REQUIRE(::stat((data + "/g").c_str(), &info) == 0);
  CHECK(info.st_uid == 0);
}

TEST_CASE("isolation: mount targets that are no place are refused before anything starts") {
  SandboxFixture fixture;
  for (const char* target : {"/", "//", "/proc", "//proc/", "/./proc/sys", "/a/../..", "/."}) {
    Spec spec = fixture.shell("true");
    spec.mounts = {{MountKind::tmpfs, "", target}};
    const Outcome outcome = fixture.run(spec);
    CAPTURE(target);
    CHECK_FALSE(outcome.started);
    CHECK(outcome.error.op == "mount target");
  }
  Spec spec = fixture.shell("true");
  spec.mounts = {{MountKind::bind, "/no/such/source", "/mnt"}};
  CHECK(fixture.run(spec).error.err == ENOENT);
}

TEST_CASE("isolation: links in an image lead nowhere outside") {
  SandboxFixture fixture;
  const std::string outside = fixture.dir() / "outside";
  REQUIRE(makeDirs(outside, 0755).ok());
  REQUIRE(::symlink(outside.c_str(), (fixture.root() + "/link").c_str()) == 0);
  REQUIRE(::symlink("../../../../../../../../tmp", (fixture.root() + "/up").c_str()) == 0);
  Spec spec = fixture.shell("");
  spec.mounts = {{MountKind::tmpfs, "", "/up/made"}};
  spec.readOnlyRoot = false;
  for (const bool old : {false, true}) {
    CAPTURE(old);
    const auto missing = old ? std::make_unique<sys::MissingCall>(sys::Call::openat2) : nullptr;
    CHECK(output(fixture, spec, "stat -f -c %T /tmp/made") == "tmpfs\n");
    CHECK_FALSE(exists("/tmp/made"));
    // Inside, that path does not exist.
    Spec astray = spec;
    astray.mounts = {{MountKind::tmpfs, "", "/link/made"}};
    CHECK_FALSE(fixture.run(astray).started);
    CHECK(listDir(outside)->empty());
  }
  // The engine's own mounts never follow one: /proc as a link would put masks elsewhere.
  REQUIRE(::rmdir((fixture.root() + "/proc").c_str()) == 0);
  REQUIRE(::symlink("/tmp", (fixture.root() + "/proc").c_str()) == 0);
  const Outcome outcome = fixture.run(spec);
  CHECK_FALSE(outcome.started);
  CHECK(outcome.error.detail == "/proc");
}

TEST_CASE("isolation: a link that leads a mount over / or /proc is refused, not followed out of sight") {
  SandboxFixture fixture;
  REQUIRE(::symlink("/", (fixture.root() + "/top").c_str()) == 0);
  REQUIRE(::symlink("/proc/sys/kernel", (fixture.root() + "/kernel").c_str()) == 0);
  REQUIRE(::symlink("/proc/version", (fixture.root() + "/version").c_str()) == 0);
  const std::string file = fixture.dir() / "file";
  REQUIRE(writeFileAtomic(file, "mine", 0644).ok());
  for (const Mount& mount : {Mount{MountKind::bind, fixture.dir().path(), "/top"}, Mount{MountKind::tmpfs, "", "/top"},
                             Mount{MountKind::tmpfs, "", "/kernel"}, Mount{MountKind::bind, file, "/version"}}) {
    Spec spec = fixture.shell("true");
    spec.mounts = {mount};
    CAPTURE(mount.target);
    const Outcome outcome = fixture.run(spec);
    CHECK_FALSE(outcome.started);
    CHECK(outcome.error.err == EPERM);
    CHECK(outcome.error.detail == mount.target);
  }
}

TEST_CASE("isolation: the user's own file goes in the place of /etc/hostname, hosts and resolv.conf") {
  SandboxFixture fixture;
  const std::string file = fixture.dir() / "file";
  REQUIRE(writeFileAtomic(file, "mine\n", 0644).ok());
  Spec spec = fixture.shell("");
  spec.network = Network::host;
  for (const char* target : {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}) {
    spec.mounts.push_back({MountKind::bind, file, target});
  }
  CHECK(output(fixture, spec, "cat /etc/hostname /etc/hosts /etc/resolv.conf") == "mine\nmine\nmine\n");
}

TEST_CASE("isolation: a program that can't be forked is told as that") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("true");
  spec.limits.pidsMax = 1;  // PID 1 is the one
  const Outcome outcome = fixture.run(spec);
  CHECK_FALSE(outcome.started);
  CHECK(outcome.error.op == "fork");
  CHECK(outcome.error.err == EAGAIN);
  spec.init = false;
  CHECK(fixture.run(spec).started);
}

TEST_CASE("isolation: a user namespace maps the image's ids to a range of the sandbox's own") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.userns = UserNamespace::automatic;
  const std::string base = std::to_string(spec.idBase);
  const std::vector<std::string> map = split(trim(output(fixture, spec, "cat /proc/self/uid_map")), ' ');
  CHECK(map.front() == "0");
  CHECK(map.back() == "65536");
  CHECK(std::find(map.begin(), map.end(), base) != map.end());
  CHECK(output(fixture, spec, "stat -c %u:%g /bin/busybox /dev/shm; id -u") == "0:0\n0:0\n0\n");
  CHECK(output(fixture, spec, "echo x > /dev/null; wc -c < /proc/timer_list; ls -la /dev | grep -c '^c'") == "0\n6\n");
  spec.user = "app";
  CHECK(output(fixture, spec, "id -u; id -G") == "1000\n1001 2000\n");
  spec.network = Network::host;
  CHECK(output(fixture, spec, "ls /sys/class/net | grep -c lo") == "1\n");
}

TEST_CASE("isolation: older kernels without the newer calls start sandboxes too") {
  SandboxFixture fixture;
  for (const sys::Call call : {sys::Call::clone3, sys::Call::openat2, sys::Call::mountSetattr, sys::Call::closeRange}) {
    CAPTURE(static_cast<unsigned>(call));
    const sys::MissingCall missing(call);
    const Fd leaked(::open("/", O_RDONLY));  // not close-on-exec
    const Spec spec = fixture.shell("");
    CHECK(
        output(fixture, spec,
               "ls /proc/self/fd; touch /x || echo ro; wc -c < /proc/timer_list; touch /sys/fs/cgroup/x || echo ro2") ==
        "0\n1\n2\n3\ntouch: /x: Read-only file system\nro\n0\ntouch: /sys/fs/cgroup/x: Read-only file system\nro2\n");
  }
}

TEST_CASE("isolation: limits on resources that may not be raised are a warning") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.rlimits = {{"nofile", 100, 200}, {"core", 0, 0}};
  CHECK(output(fixture, spec, "ulimit -Sn; ulimit -Hn") == "100\n200\n");
  spec.oomScoreAdj = 500;
  CHECK(output(fixture, spec, "cat /proc/self/oom_score_adj") == "500\n");
  spec.rlimits = {{"bogus", 1, 1}};
  CHECK(fixture.run(spec).error.op == "ulimit");
}

TEST_CASE("isolation: a failed start leaves no process, no mount and an empty cgroup") {
  SandboxFixture fixture;
  const std::size_t mounts = test::countMounts();
  Spec spec = fixture.command({"no-such-command"});
  Cgroup group = fixture.makeCgroup(spec);
  CHECK_FALSE(fixture.run(spec, group).started);
  CHECK(group.processes()->empty());
  CHECK(group.remove(0).ok());
  CHECK(test::countMounts() == mounts);
  CHECK(::access((std::string("/sys/fs/cgroup/memory") + spec.cgroupParent + "/" + spec.id).c_str(), F_OK) < 0);
}
