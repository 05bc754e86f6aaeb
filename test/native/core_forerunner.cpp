// The process that makes a sandbox's namespaces while its parent does something else.
#include "core/forerunner.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "sys/fd.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

std::string namespaceOf(pid_t pid, const char* kind) {
  char target[64];
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + kind;
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length <= 0 ? std::string() : std::string(target, static_cast<std::size_t>(length));
}

/** What the cloned process sees. */
struct Seen {
  pid_t pid = -1, parent = -1;
  bool joined = false;
};

void tell(void* context, bool joined) {
  const int pipe = *static_cast<int*>(context);
  const Seen seen{::getpid(), ::getppid(), joined};
  ::_exit(::write(pipe, &seen, sizeof seen) == sizeof seen ? 7 : 1);
}

void waitForever(void* /*context*/, bool /*joined*/) {
  for (;;) ::pause();
}

int exitCodeOf(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool hasChildren() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void cloneAndSee() {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd read(ends[0]);
  const Fd write(ends[1]);
  Forerunner forerunner;
  REQUIRE(forerunner.begin(CLONE_NEWUTS | CLONE_NEWIPC).ok());
  REQUIRE(forerunner.awaitNamespaces() == 0);
  const std::string uts = namespaceOf(forerunner.pid(), "uts");
  CHECK(uts != namespaceOf(::getpid(), "uts"));
  CHECK(namespaceOf(forerunner.pid(), "net") == namespaceOf(::getpid(), "net"));
  int pipe = write.get();
  const pid_t child = forerunner.clone(CLONE_NEWPID, -1, tell, &pipe);
  REQUIRE(child > 0);
  CHECK_FALSE(forerunner.hasBegun());
  Seen seen;
  REQUIRE(::read(read.get(), &seen, sizeof seen) == sizeof seen);
  CHECK(seen.pid == 1);
  CHECK(seen.parent == 0);  // outside of its PID namespace
  CHECK_FALSE(seen.joined);
  CHECK(exitCodeOf(child) == 7);  // so it was a child of ours
}

}  // namespace

TEST_CASE("a forerunner makes namespaces, and clones a child of its owner's into them") {
  cloneAndSee();
  const sys::MissingCall missing(sys::Call::clone3);
  cloneAndSee();
}

TEST_CASE("what a forerunner clones stays in its namespaces when the forerunner has gone") {
  Forerunner forerunner;
  REQUIRE(forerunner.begin(CLONE_NEWUTS).ok());
  REQUIRE(forerunner.awaitNamespaces() == 0);
  const std::string uts = namespaceOf(forerunner.pid(), "uts");
  const pid_t child = forerunner.clone(0, -1, waitForever, nullptr);
  REQUIRE(child > 0);
  CHECK(namespaceOf(child, "uts") == uts);
  CHECK(::kill(child, SIGKILL) == 0);
  CHECK(exitCodeOf(child) == -1);
}

TEST_CASE("a forerunner that can't make namespaces says why, and clones nothing") {
  Forerunner forerunner;
  REQUIRE(forerunner.begin(1).ok());  // no namespace has that flag
  CHECK(forerunner.awaitNamespaces() == EINVAL);
  CHECK(forerunner.clone(0, -1, waitForever, nullptr) == -1);
  CHECK(errno == ESRCH);
  CHECK_FALSE(hasChildren());
}

TEST_CASE("a forerunner that is killed is noticed") {
  Forerunner forerunner;
  REQUIRE(forerunner.begin(CLONE_NEWUTS).ok());
  REQUIRE(forerunner.awaitNamespaces() == 0);
  CHECK(::kill(forerunner.pid(), SIGKILL) == 0);
  CHECK(forerunner.clone(0, -1, waitForever, nullptr) == -1);
  CHECK(errno == ESRCH);
  CHECK_FALSE(hasChildren());
}

TEST_CASE("a forerunner that nobody needs ends, and can begin anew") {
  {
    Forerunner forerunner;
    REQUIRE(forerunner.begin(CLONE_NEWUTS).ok());
    const pid_t first = forerunner.pid();
    REQUIRE(forerunner.begin(CLONE_NEWIPC).ok());
    CHECK(::kill(first, 0) == -1);
    CHECK(forerunner.awaitNamespaces() == 0);
    CHECK(namespaceOf(forerunner.pid(), "uts") == namespaceOf(::getpid(), "uts"));
  }
  CHECK_FALSE(hasChildren());
}

}  // namespace lightv
