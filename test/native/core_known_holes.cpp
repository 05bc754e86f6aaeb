// Holes that other runtimes had, tried on this one: those of docs/security.md's table that no other test is named for.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "core/order.hpp"
#include "engine_fixture.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::Running;
using lightv::test::SandboxFixture;

namespace {

/** What a command that exec starts says; empty, with the error, when it does not start. */
std::string execute(const Spec& spec, const Running& sandbox, const std::string& user, std::vector<std::string> args,
                    Error& error) {
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  ExecSpec exec;
  exec.args = std::move(args);
  exec.env = {"PATH=/bin"};
  exec.user = user;
  exec.stdio = {-1, out.get(), out.get()};
  Result<ExecHandle> handle = execInside(spec, sandbox.launched->initPid, sandbox.cgroup, exec);
  out.reset();
  if (!handle) {
    error = handle.error();
    return "";
  }
  std::string text = test::readAll(in.get());
  (void)test::waitFor(handle->pid);
  return text;
}

/** Exchanges two names for as long as it lives, as fast as it can. */
class Swapper {
 public:
  Swapper(std::string one, std::string other)
      : thread_([this, one = std::move(one), other = std::move(other)] {
          while (!done_) (void)::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
        }) {}
  ~Swapper() {
    done_ = true;
    thread_.join();
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/** Puts a symbolic link in the place of whatever the image has there. */
void replaceByLink(const std::string& path, const std::string& target) {
  REQUIRE(removeTree(path).ok());
  REQUIRE(makeDirs(parentPath(path), 0755).ok());
  REQUIRE(::symlink(target.c_str(), path.c_str()) == 0);
}

}  // namespace

TEST_CASE("CVE-2016-9962: what joins a sandbox, and its PID 1, can't be looked into from inside before they execute") {
  SandboxFixture fixture;
  // Its name is looked at again behind: by then it may be the program that was executed, which is fair to look into.
  Spec spec = fixture.shell(
      "while :; do for p in /proc/[0-9]*; do read -r name < $p/comm; case $name in lightv*) for f in fd/0 root cwd "
      "exe; do "
      "if readlink $p/$f >/dev/null; then read -r then < $p/comm; [ \"$then\" = \"$name\" ] && echo $name $f; fi; "
      "done;; esac; done; done 2>/dev/null");
  spec.seccomp = spec.landlock = false;
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  Fd out(pipe[1]);
  const Fd in(pipe[0]);
  {
    const Running sandbox(fixture, spec, Stdio{-1, out.get(), -1});
    out.reset();
    REQUIRE(sandbox.launched.ok());
    Error error;
    for (int i = 0; i < 30; i++) CHECK(execute(spec, sandbox, "", {"true"}, error).empty());
    CHECK(error.op.empty());
  }
  CHECK(test::readAll(in.get()) == "");
}

TEST_CASE("CVE-2020-15257: nobody of the engine listens on an abstract socket, and its sockets are root's alone") {
  if (!enginetest::canRun()) return;
  const enginetest::Home home;
  const std::string id = home.run(home.shell("sleep 1000"));
  const Result<std::string> sockets = readFile("/proc/net/unix", 4U << 20);
  REQUIRE(sockets.ok());
  bool found = false;
  for (const std::string& line : split(*sockets, '\n')) {
    const std::size_t at = line.find(home.paths().run);
    if (at != std::string::npos) found = true;
    CHECK(line.find("@lightv") == std::string::npos);
    CHECK((at == std::string::npos || line[at - 1] != '@'));
  }
  CHECK(found);
  struct stat info {};
  REQUIRE(::stat(home.paths().run.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0700);
}

TEST_CASE(
    "CVE-2021-30465, CVE-2024-45310: a mount target that is exchanged for a link makes and shows nothing outside") {
  SandboxFixture fixture;
  const std::string volume = fixture.dir() / "volume";
  const std::string outside = fixture.dir() / "outside";
  REQUIRE(makeDirs(volume + "/target", 0755).ok());
  REQUIRE(makeDirs(outside, 0755).ok());
  REQUIRE(writeFileAtomic(outside + "/secret", "", 0644).ok());
  REQUIRE(::symlink(outside.c_str(), (volume + "/link").c_str()) == 0);
  Spec spec = fixture.shell("ls /volume/target/ /volume/target/deep/");
  spec.mounts = {{MountKind::bind, volume, "/volume"}, {MountKind::tmpfs, "", "/volume/target/deep"}};
  const std::size_t mounts = test::countMounts();
  int started = 0;
  {
    const Swapper swapper(volume + "/target", volume + "/link");
    for (int i = 0; i < 40; i++) {
      const Outcome outcome = fixture.run(spec);
      if (outcome.started) started++;
      CHECK(outcome.output.find("secret") == std::string::npos);
    }
  }
  MESSAGE("started while its mount target was exchanged: ", started, " of 40");
  CHECK(*listDir(outside) == std::vector<std::string>{"secret"});
  CHECK(test::countMounts() == mounts);
}

TEST_CASE("CVE-2021-43784: lengths beyond 16 bits stay what they are in an order, and one that lies is refused") {
  Process process;
  process.args = {"true", std::string(70000, 'a')};
  process.env = {"BIG=" + std::string(65536, 'b')};
  process.cwd = "/";
  const std::string order = encodeOrder(process);
  Process read;
  REQUIRE(decodeOrder(order, read));
  CHECK(read.args == process.args);
  CHECK(read.env == process.env);
  for (std::size_t at = 0; at < 16 && at < order.size(); at++) {
    std::string broken = order;
    broken[at] = '\xff';
    Process other;
    if (decodeOrder(broken, other)) CHECK(other.args.size() <= order.size());
  }
  // All its namespaces are there all the same, which is what got lost.
  SandboxFixture fixture;
  Spec spec = fixture.shell("echo ${#BIG}; hostname; ls /proc | grep -c '^[0-9]'");
  spec.env.push_back("BIG=" + std::string(70000, 'c'));
  const Outcome outcome = fixture.run(spec);
  INFO(outcome.output);
  CHECK(outcome.output.starts_with("70000\nbox\n"));
}

TEST_CASE("CVE-2025-31133: masks are the kernel's own /dev/null, whatever the image has in its place") {
  SandboxFixture fixture;
  replaceByLink(fixture.root() + "/dev/null", "/proc/sysrq-trigger");
  const Spec spec = fixture.shell("stat -c '%F %t:%T' /dev/null /proc/keys; wc -c < /proc/keys; readlink /dev/null");
  const Outcome outcome = fixture.run(spec);
  CHECK(outcome.output == "character special file 1:3\ncharacter special file 1:3\n0\n");
}

TEST_CASE("CVE-2025-52565: /dev/console is the sandbox's own terminal, whatever the image has in its place") {
  SandboxFixture fixture;
  for (const char* name : {"/dev/console", "/dev/pts/0"}) replaceByLink(fixture.root() + name, "/proc/sysrq-trigger");
  Spec spec = fixture.shell("stat -c %F /dev/console; readlink /dev/console; echo x > /dev/console; echo end");
  spec.terminal = true;
  const Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  std::string text;
  char buffer[256];
  for (ssize_t got = 1; got > 0 && text.find("end\r\n") == std::string::npos;) {
    got = ::read(sandbox.launched->ptyMaster.get(), buffer, sizeof buffer);
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  }
  CHECK(text == "character special file\r\nx\r\nend\r\n");
}

TEST_CASE("CVE-2026-41579, CVE-2026-47766: /dev as a link in an image starts nothing and leaves nothing outside") {
  for (const char* name : {"/dev", "/sys"}) {
    CAPTURE(name);
    SandboxFixture fixture;
    const std::string outside = fixture.dir() / "outside";
    REQUIRE(makeDirs(outside, 0755).ok());
    replaceByLink(fixture.root() + name, outside);
    for (const bool readOnly : {true, false}) {
      Spec spec = fixture.shell("true");
      spec.readOnlyRoot = readOnly;
      const Outcome outcome = fixture.run(spec);
      CHECK_FALSE(outcome.started);
      CHECK(outcome.error.detail == name);
      CHECK(listDir(outside)->empty());
    }
  }
}

TEST_CASE("CVE-2026-30892: a user for exec that is not understood is an error, never root") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("sleep 1000");
  const Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  Error error;
  CHECK(execute(spec, sandbox, "1", {"sh", "-c", "id -u; id -g"}, error) == "1\n0\n");
  CHECK(execute(spec, sandbox, "1:2", {"sh", "-c", "id -u; id -g"}, error) == "1\n2\n");
  for (const char* user : {"1x", " 1", "1 ", "+1", "-1", "-0", "0x1", "1:x", "1:1:1", "4294967296", "1\n0", "1,0"}) {
    CAPTURE(user);
    error = {};
    CHECK(execute(spec, sandbox, user, {"id", "-u"}, error).empty());
    CHECK_FALSE(error.op.empty());
  }
}
