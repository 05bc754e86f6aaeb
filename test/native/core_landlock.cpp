// Landlock: which rules a sandbox has, and what they keep a process from that has every right otherwise.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "core/landlock.hpp"
#include "core/launch.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/syscalls.hpp"

using namespace lightv;
using lightv::test::SandboxFixture;
using lightv::test::TempDir;
using lightv::test::waitFor;

namespace {

/** What `attempt` gives (an errno) in a process of its own behind these rules. */
int behind(const LandlockRules& rules, const std::function<int()>& attempt) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (const int err = restrictSelf(rules); err != 0) ::_exit(200);
    ::_exit(attempt());
  }
  return waitFor(pid);
}

int errnoOf(int result) {
  return result < 0 ? errno : 0;
}

Fd abstractSocket(const char* name, sockaddr_un& address, socklen_t& size) {
  address = {};
  address.sun_family = AF_UNIX;
  (void)std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s-%d", name, ::getpid());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(address.sun_path + 1));
  return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

}  // namespace

TEST_CASE("landlock: a second wall where nothing is meant to pass, and none where something is") {
  Spec spec;
  spec.capabilities = {"CHOWN"};
  const auto rules = [&] { return landlockRules(spec, LandlockFor::workload); };
  CHECK(rules() == LandlockRules{.tree = true});
  CHECK_FALSE(landlockRules(spec, LandlockFor::exec).any());
  spec.network = Network::host;
  CHECK(rules() == LandlockRules{.tree = true, .abstractSockets = true});
  CHECK_FALSE(landlockRules(spec, LandlockFor::exec).any());
  spec.seccomp = false;
  CHECK(rules() == LandlockRules{.abstractSockets = true});
  spec.seccomp = true;
  spec.seccompProfile = "{}";
  CHECK_FALSE(rules().tree);
  spec.seccompProfile.clear();
  for (const char* right : {"SYS_ADMIN", "MKNOD"}) {
    spec.capabilities = {right};
    CHECK_FALSE(rules().tree);
  }
  spec.landlock = false;
  CHECK_FALSE(rules().any());
}

TEST_CASE("landlock: no mount and no block device, even with every capability; files as ever") {
  if (landlockAbi() < 2) {
    MESSAGE("SKIPPED landlock: this kernel has none that lets files be moved");
    return;
  }
  const TempDir dir;
  REQUIRE(makeDirs(dir / "a").ok());
  REQUIRE(makeDirs(dir / "b").ok());
  const std::string node = dir / "a/node", first = dir / "a/file", second = dir / "b/file", third = dir / "b/link";
  const auto mountThere = [&] {
    if (::unshare(CLONE_NEWNS) < 0) return errno;
    // In this namespace alone, should it go through.
    (void)::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    return errnoOf(::mount("none", (dir / "a").c_str(), "tmpfs", 0, nullptr));
  };
  const auto makeNode = [&] { return errnoOf(::mknod(node.c_str(), S_IFBLK | 0600, makedev(7, 200))); };
  const LandlockRules tree{.tree = true};
  CHECK(behind({}, mountThere) == 0);
  CHECK(behind(tree, mountThere) == EPERM);
  CHECK(behind(tree, makeNode) == EACCES);
  CHECK(behind(tree, [&] {
          const Fd file(::open(first.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
          if (!file) return errno;
          if (const int err = errnoOf(::rename(first.c_str(), second.c_str())); err != 0) return err;
          if (const int err = errnoOf(::link(second.c_str(), first.c_str())); err != 0) return err;
          if (const int err = errnoOf(::symlink("x", third.c_str())); err != 0) return err;
          return errnoOf(::mknod((dir / "a/fifo").c_str(), S_IFIFO | 0600, 0));
        }) == 0);
}

TEST_CASE("landlock: abstract sockets of processes outside are out of reach, those inside are not") {
  if (landlockAbi() < 6) {
    MESSAGE("SKIPPED landlock: this kernel's has no scopes");
    return;
  }
  sockaddr_un address{};
  socklen_t size = 0;
  const Fd outside = abstractSocket("lightv-outside", address, size);
  REQUIRE(::bind(outside.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(outside.get(), 4) == 0);
  const auto reach = [&] {
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return errnoOf(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size));
  };
  CHECK(behind({}, reach) == 0);
  CHECK(behind({.abstractSockets = true}, reach) == EPERM);
  CHECK(behind({.abstractSockets = true}, [] {
          sockaddr_un own{};
          socklen_t length = 0;
          const Fd server = abstractSocket("lightv-inside", own, length);
          if (::bind(server.get(), reinterpret_cast<const sockaddr*>(&own), length) < 0) return errno;
          if (::listen(server.get(), 4) < 0) return errno;
          const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
          return errnoOf(::connect(client.get(), reinterpret_cast<const sockaddr*>(&own), length));
        }) == 0);
}

TEST_CASE("landlock: where the kernel has none a sandbox starts all the same") {
  const sys::MissingCall missing(sys::Call::landlock);
  CHECK(landlockAbi() == 0);
  CHECK(restrictSelf({.tree = true, .abstractSockets = true}) == 0);
  SandboxFixture fixture;
  const lightv::test::Outcome outcome =
      fixture.run(fixture.shell("mkdir /dev/shm/a /dev/shm/b && echo x > /dev/shm/a/f && "
                                "mv /dev/shm/a/f /dev/shm/b/g && cat /dev/shm/b/g"));
  CHECK(outcome.output == "x\n");
  CHECK(outcome.warnings.empty());
}

TEST_CASE("landlock: in a sandbox files are moved as ever, on each kind of root, and with mounts between") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("");
  spec.readOnlyRoot = false;
  spec.mounts = {{.kind = MountKind::tmpfs, .target = "/t"}};
  for (const char* user : {"", "1000"}) {
    spec.user = user;
    spec.args = {"sh", "-c",
                 "cd /dev/shm && mkdir -p a/b c && echo 1 > a/b/f && mv a/b/f c/g && ln c/g a/h && cat a/h && "
                 "cp c/g /t/x && mv /t/x a/y && cat a/y"};
    const lightv::test::Outcome outcome = fixture.run(spec);
    CHECK(outcome.output == "1\n1\n");
  }
}
