#include "sandbox_fixture.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "core/capabilities.hpp"
#include "core/mount_calls.hpp"
#include "sys/file.hpp"

namespace lightv::test {
namespace {

const char* const applets[] = {"sh",     "cat",  "ls",       "sleep", "id",    "true",  "false",   "echo",     "mount",
                               "umount", "head", "dd",       "kill",  "touch", "mkdir", "unshare", "mknod",    "env",
                               "pwd",    "wc",   "hostname", "chmod", "stat",  "tty",   "stty",    "readlink", "grep",
                               "rm",     "seq",  "chown",    "test",  "sed",   "nc",    "ip",      "ps",       "tr"};

std::string newId() {
  static unsigned counter = 0;
  char id[32];
  (void)std::snprintf(id, sizeof id, "%08x%08x", static_cast<unsigned>(::getpid()), ++counter);
  return id;
}

void fillRoot(const std::string& root) {
  for (const char* name : {"/bin", "/etc", "/proc", "/dev", "/sys", "/tmp", "/root", "/run"}) {
    REQUIRE(makeDirs(root + name, 0755).ok());
  }
  const Result<std::string> busybox = readFile("/bin/busybox", 64U << 20);
  REQUIRE_MESSAGE(busybox.ok(), "these tests need the package busybox-static");
  REQUIRE(writeFileAtomic(root + "/bin/busybox", *busybox, 0755).ok());
  for (const char* applet : applets) REQUIRE(::symlink("busybox", (root + "/bin/" + applet).c_str()) == 0);
  REQUIRE(
      writeFileAtomic(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n", 0644)
          .ok());
  REQUIRE(writeFileAtomic(root + "/etc/group", "root:x:0:\napp:x:1001:\nextra:x:2000:app\nmore:x:2001:\n", 0644).ok());
  for (const char* name : {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}) {
    REQUIRE(writeFileAtomic(root + name, "", 0644).ok());
  }
  REQUIRE(::chmod((root + "/tmp").c_str(), 01777) == 0);
}

}  // namespace

TempDir::TempDir() {
  char name[] = "/tmp/lightv-test-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  const Status removed = removeTree(path_);
  CHECK_MESSAGE(removed.ok(), (removed.ok() ? "" : removed.error().message()));
}

SandboxFixture::SandboxFixture() : root_(dir_ / "root"), cgroupParent_("/lightv-test-" + std::to_string(::getpid())) {
  // mkdtemp's 0700 is the host's business: inside, everybody may walk the root.
  fillRoot(root_);
}

SandboxFixture::~SandboxFixture() {
  for (const CgroupHierarchy& hierarchy : findCgroupHierarchies()) (void)removeCgroup(hierarchy.mount + cgroupParent_);
}

Spec SandboxFixture::command(std::vector<std::string> args) const {
  Spec spec;
  spec.id = newId();
  spec.args = std::move(args);
  spec.env = {"PATH=/bin"};
  spec.hostname = "box";
  spec.idBase = 0x70000000;  // for those with a user namespace
  spec.cgroupParent = cgroupParent_;
  spec.capabilities = defaultCapabilities();
  spec.readOnlyRoot = true;
  return spec;
}

Spec SandboxFixture::shell(const std::string& script) const {
  return command({"sh", "-c", script});
}

Fd SandboxFixture::rootMount() const {
  return Fd(mounts::cloneTree(AT_FDCWD, root_.c_str(), false));
}

Cgroup SandboxFixture::makeCgroup(const Spec& spec) const {
  std::vector<std::string> warnings;
  Result<Cgroup> group = Cgroup::create(spec.cgroupParent, spec.id, spec.limits, warnings);
  REQUIRE_MESSAGE(group.ok(), (group.ok() ? "" : group.error().message()));
  return *group;
}

Outcome SandboxFixture::run(const Spec& spec) {
  Cgroup group = makeCgroup(spec);
  Outcome outcome = run(spec, group);
  const Status removed = group.remove();
  CHECK_MESSAGE(removed.ok(), (removed.ok() ? "" : removed.error().message()));
  return outcome;
}

Outcome SandboxFixture::run(const Spec& spec, Cgroup& cgroup) {
  Outcome outcome;
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  Fd root = rootMount();
  LaunchParts parts;
  parts.rootMount = root.get();
  parts.cgroup = &cgroup;
  parts.stdio = {-1, out.get(), out.get()};
  Result<Launched> launched = launch(spec, parts);
  out.reset();
  if (!launched) {
    outcome.error = launched.error();
    return outcome;
  }
  outcome.started = true;
  outcome.warnings = launched->warnings;
  outcome.output = readAll(in.get());
  const Result<WorkloadExit> exit = readExit(*launched);
  REQUIRE(exit.ok());
  outcome.exit = *exit;
  launched->status.reset();
  CHECK(waitFor(launched->initPid) == exit->exitCode);
  return outcome;
}

Running::Running(SandboxFixture& fixture, const Spec& spec, const Stdio& stdio)
    : cgroup(fixture.makeCgroup(spec)), launched(Error{"not started"}), root_(fixture.rootMount()) {
  LaunchParts parts;
  parts.rootMount = root_.get();
  parts.cgroup = &cgroup;
  parts.stdio = stdio;
  launched = launch(spec, parts);
}

Running::~Running() {
  if (launched) {
    (void)::kill(launched->initPid, SIGKILL);
    (void)::waitpid(launched->initPid, nullptr, 0);
  }
  CHECK(cgroup.remove().ok());
}

int waitFor(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string readAll(int fd) {
  const Result<std::string> text = readDescriptor(fd, "output", 16U << 20);
  return text ? *text : text.error().message();
}

std::size_t countMounts() {
  const Result<std::string> text = readFile("/proc/self/mountinfo", 16U << 20);
  REQUIRE(text.ok());
  return static_cast<std::size_t>(std::count(text->begin(), text->end(), '\n'));
}

}  // namespace lightv::test
