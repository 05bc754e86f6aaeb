// What is decided without the kernel: users, capabilities, the filter, the plan. And the one resolver of paths.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <memory>
#include <set>

#include "core/capabilities.hpp"
#include "core/launch.hpp"
#include "core/operation.hpp"
#include "core/root_fs.hpp"
#include "core/seccomp.hpp"
#include "core/users.hpp"
#include "filter_machine.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

using namespace lightv;
using lightv::test::evaluate;
using lightv::test::TempDir;

namespace {

constexpr const char* passwd =
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken\n7:x:70:71::/seven:/\n";
constexpr const char* group = "root:x:0:\napp:x:1001:\nextra:x:2000:root,app\nmore:x:2001:\n";

std::string user(const std::string& text, const std::vector<std::string>& add = {}) {
  const Result<UserIds> ids = resolveUser(passwd, group, text, add);
  if (!ids) return ids.error().detail;
  std::string out = std::to_string(ids->uid) + ":" + std::to_string(ids->gid);
  for (const gid_t gid : ids->groups) out += "," + std::to_string(gid);
  return out + " " + ids->home;
}

#if defined(__x86_64__)
constexpr std::uint32_t arch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t arch = AUDIT_ARCH_AARCH64;
#endif

std::uint32_t ask(const std::vector<sock_filter>& program, long number, std::uint64_t first = 0,
                  std::uint64_t second = 0) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  data.args[0] = first;
  data.args[1] = second;
  return evaluate(program, data);
}

constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;

std::vector<std::string> steps(const Spec& spec) {
  std::vector<std::string> lines;
  for (const PlanLine& line : plan(spec)) lines.push_back(line.op + " " + line.detail);
  return lines;
}

bool hasLine(const std::vector<std::string>& lines, const std::string& wanted) {
  return std::find(lines.begin(), lines.end(), wanted) != lines.end();
}

}  // namespace

TEST_CASE("users: Docker's syntax in every mix") {
  CHECK(user("") == "0:0,2000 /root");
  CHECK(user("app") == "1000:1001,2000 /home/app");
  CHECK(user("1000") == "1000:1001,2000 /home/app");
  CHECK(user("app:more") == "1000:2001 /home/app");
  CHECK(user("app:5") == "1000:5 /home/app");
  CHECK(user("4711") == "4711:0 /");
  CHECK(user("4711:4712") == "4711:4712 /");
  CHECK(user(":more") == "0:2001 /root");
  CHECK(user("7") == "70:71 /seven");
  CHECK(user("app", {"more", "2000", "9"}) == "1000:1001,2000,2001,9 /home/app");
  CHECK(user("ghost") == "\"ghost\"");
  CHECK(user("app:ghost") == "group \"ghost\"");
  CHECK(user("-1") == "\"-1\"");
  CHECK(user("4294967295") == "\"4294967295\"");
}

TEST_CASE("capabilities: names and sets as --cap-add and --cap-drop make them") {
  CHECK(capabilityNumber("NET_ADMIN") == 12U);
  CHECK(capabilityNumber("cap_chown") == 0U);
  CHECK_FALSE(capabilityNumber("ROOT").has_value());
  const std::vector<std::string> defaults = defaultCapabilities();
  CHECK(std::is_sorted(defaults.begin(), defaults.end()));
  for (const char* bad : {"MKNOD", "NET_RAW", "SYS_ADMIN", "AUDIT_WRITE"}) {
    CHECK(std::find(defaults.begin(), defaults.end(), bad) == defaults.end());
  }
  CHECK(*resolveCapabilities({}, {}) == defaults);
  CHECK(resolveCapabilities({}, {"ALL"})->empty());
  CHECK(*resolveCapabilities({"net_admin"}, {"all"}) == std::vector<std::string>{"NET_ADMIN"});
  CHECK(resolveCapabilities({"ALL"}, {"SYS_ADMIN"})->size() == capabilityNames().size() - 1);
  CHECK(resolveCapabilities({"NOPE"}, {}).error().detail == "\"NOPE\"");
  CHECK(*capabilitySet({"CHOWN", "CAP_SYS_ADMIN"}) == ((1ULL << 0) | (1ULL << 21)));
}

TEST_CASE("seccomp: what a sandbox may call, may not call, and does not know") {
  const std::vector<sock_filter>& program = seccompProgram(*capabilitySet(defaultCapabilities()));
  for (const long call :
       {SYS_read, SYS_openat, SYS_execve, SYS_mmap, SYS_exit_group, SYS_futex, SYS_chroot, SYS_seccomp}) {
    CAPTURE(call);
    CHECK(ask(program, call) == SECCOMP_RET_ALLOW);
  }
  for (const long call :
       {SYS_mount, SYS_unshare, SYS_setns, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_bpf, SYS_userfaultfd,
        SYS_perf_event_open, SYS_kexec_load, SYS_init_module, SYS_reboot, SYS_swapon, SYS_io_uring_setup,
        SYS_move_mount, SYS_open_by_handle_at, SYS_pivot_root, SYS_process_vm_readv, SYS_settimeofday}) {
    CAPTURE(call);
    CHECK(ask(program, call) == refused);
  }
  CHECK(ask(program, SYS_clone3) == unknown);
  for (const long call : {463L, 1000L, 0x40000000L, 0x40000001L, 0x7FFFFFFFL, 0xFFFFFFFFL})
    CHECK(ask(program, call) == unknown);
  seccomp_data foreign{};
  foreign.nr = SYS_read;
  foreign.arch = AUDIT_ARCH_I386;
  CHECK(evaluate(program, foreign) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("seccomp: arguments, of which the kernel reads the low half only") {
  const std::vector<sock_filter>& program = seccompProgram(0);
  CHECK(ask(program, SYS_clone, SIGCHLD) == SECCOMP_RET_ALLOW);
  for (const std::uint64_t flag :
       {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP}) {
    CHECK(ask(program, SYS_clone, flag | SIGCHLD) == refused);
  }
  CHECK(ask(program, SYS_ioctl, 0, TCGETS) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, SYS_ioctl, 0, TIOCSTI) == refused);
  CHECK(ask(program, SYS_ioctl, 0, TIOCSTI | (1ULL << 32)) == refused);
  CHECK(ask(program, SYS_ioctl, 0, TIOCLINUX) == refused);
  CHECK(ask(program, SYS_socket, AF_INET) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, SYS_socket, AF_VSOCK) == refused);
  CHECK(ask(program, SYS_personality, 0xFFFFFFFF) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, SYS_personality, 0x0400000) == refused);  // READ_IMPLIES_EXEC
  CHECK(ask(program, SYS_chroot) == refused);
}

TEST_CASE("seccomp: a capability brings its calls back, and only those") {
  const std::vector<sock_filter>& program = seccompProgram(*capabilitySet({"SYS_ADMIN"}));
  CHECK(ask(program, SYS_mount) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, SYS_clone, CLONE_NEWUSER) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, SYS_reboot) == refused);
  CHECK(&program == &seccompProgram(*capabilitySet({"SYS_ADMIN"})));
}

TEST_CASE("seccomp: the compiled tree says what the ranges say, for every number") {
  const std::vector<SeccompRange> ranges = seccompRanges(0);
  const std::vector<sock_filter> program = compileSeccomp(ranges);
  CHECK(program.size() < 400);
  std::uint32_t next = 0;
  for (const SeccompRange& range : ranges) {
    CHECK(range.first == next);
    next = range.last + 1;
    if (range.action == SeccompAction::allow || range.action == SeccompAction::refuse) {
      for (std::uint32_t nr = range.first; nr <= range.last; nr++) {
        REQUIRE(ask(program, nr) == (range.action == SeccompAction::allow ? SECCOMP_RET_ALLOW : refused));
      }
    }
  }
  CHECK(next == 0);
}

TEST_CASE("plan: tells every namespace, mount and restriction, and depends on the Spec alone") {
  Spec spec;
  spec.id = "0123456789abcdef";
  spec.args = {"nginx", "-g", "daemon off;"};
  spec.imagePath = "/images/x.lv";
  spec.mounts = {{MountKind::bind, "/host/deep", "/data/deep", true}, {MountKind::volume, "/v/_data", "/data"}};
  std::vector<std::string> lines = steps(spec);
  CHECK(lines[0] == "namespaces pid mount uts ipc cgroup network");
  CHECK(hasLine(lines, "root /images/x.lv ro nodev"));
  CHECK(hasLine(lines, "overlay / nodev"));
  CHECK(hasLine(lines, "mount /proc from proc nosuid nodev noexec"));
  CHECK(hasLine(lines, "mask /proc/keys"));
  CHECK(hasLine(lines, "seccomp default"));
  CHECK(lines.back() == "exec nginx -g daemon off;");
  const auto outer = std::find(lines.begin(), lines.end(), "bind /data from /v/_data nodev");
  const auto inner = std::find(lines.begin(), lines.end(), "bind /data/deep from /host/deep ro");
  REQUIRE(inner != lines.end());
  CHECK(outer < inner);
  CHECK(steps(spec) == lines);

  spec.network = Network::host;
  spec.userns = UserNamespace::automatic;
  spec.readOnlyRoot = true;
  spec.maskPaths = spec.seccomp = false;
  lines = steps(spec);
  CHECK(lines[0] == "namespaces pid mount uts ipc cgroup user");
  CHECK(hasLine(lines, "bind /sys from /sys ro nosuid nodev noexec"));
  CHECK_FALSE(hasLine(lines, "overlay / nodev"));
  CHECK_FALSE(hasLine(lines, "mask /proc/keys"));
  CHECK_FALSE(hasLine(lines, "seccomp default"));
  CHECK_FALSE(hasLine(lines, "loopback lo"));
}

TEST_CASE("root: no path leads outside, by the kernel's resolver and by our own") {
  const TempDir dir;
  REQUIRE(makeDirs(dir / "root/a/b", 0755).ok());
  REQUIRE(writeFileAtomic(dir / "secret", "outside", 0644).ok());
  REQUIRE(writeFileAtomic(dir / "root/secret", "inside", 0644).ok());
  for (const auto& [target, name] :
       {std::pair("/secret", "root/absolute"), std::pair("../../secret", "root/a/relative"),
        std::pair("a/../../secret", "root/mixed"), std::pair("loop", "root/loop"), std::pair("a", "root/dirlink"),
        std::pair("/new/file", "root/dangling")}) {
    REQUIRE(::symlink(target, (dir / name).c_str()) == 0);
  }
  for (const bool old : {false, true}) {
    CAPTURE(old);
    const auto missing = old ? std::make_unique<sys::MissingCall>(sys::Call::openat2) : nullptr;
    const Fd fd(::open((dir / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const RootFs root(fd.get());
    for (const char* path :
         {"/secret", "secret", "../secret", "/../../secret", "/a/../secret", "/a/b/../../../secret", "/absolute",
          "/a/relative", "/mixed", "/dirlink/../secret", "/dirlink/relative", "//a/./b/../..//secret"}) {
      CAPTURE(path);
      const Fd file(root.open(path, O_RDONLY));
      REQUIRE(file.valid());
      CHECK(*readDescriptor(file.get(), path) == "inside");
    }
    const auto refuse = [&](const char* path, int flags, int err) {
      CAPTURE(path);
      const Fd file(root.open(path, flags));
      CHECK_FALSE(file.valid());
      CHECK(errno == err);
    };
    refuse("/loop", O_RDONLY, ELOOP);
    refuse("/absolute", O_RDONLY | O_NOFOLLOW, ELOOP);
    refuse("/secret/x", O_RDONLY, ENOTDIR);
    refuse("/nothing", O_RDONLY, ENOENT);
    refuse("/nothing/x", O_WRONLY | O_CREAT, ENOENT);
    const Fd made(root.makeDirs(old ? "/a/new1/x/y" : "/a/new0/x/y"));
    CHECK(made.valid());
    CHECK(exists(dir / (old ? "root/a/new1/x/y" : "root/a/new0/x/y")));
    const Fd place(root.makeFile(old ? "/dirlink/p1/file" : "/dirlink/p0/file"));
    CHECK(place.valid());
    CHECK(exists(dir / (old ? "root/a/p1/file" : "root/a/p0/file")));
    CHECK_FALSE(Fd(root.makeDirs("/secret/x")).valid());
  }
  // A link that leads nowhere yet: its target is made, inside.
  const Fd fd(::open((dir / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(makeDirs(dir / "root/new").ok());
  CHECK(Fd(RootFs(fd.get()).makeFile("/dangling")).valid());
  CHECK(exists(dir / "root/new/file"));
  CHECK_FALSE(exists("/new/file"));
}

TEST_CASE("root: magic links of /proc are refused") {
  const Fd fd(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const RootFs root(fd.get());
  CHECK_FALSE(Fd(root.open("/self/root/etc", O_PATH)).valid());
  CHECK(errno == ELOOP);
  CHECK_FALSE(Fd(root.open("/self/cwd", O_PATH)).valid());
}
