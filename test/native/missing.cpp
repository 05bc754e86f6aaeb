// On a kernel that lacks something a sandbox starts all the same, or its error says what it would take. Run by
// test/native/without, which tells in LIGHTV_WITHOUT what is missing; alone: nothing is.
#include <sched.h>
#include <sys/syscall.h>

#include "engine_fixture.hpp"
#include "sys/syscalls.hpp"

using namespace enginetest;

namespace {

bool isMissing(const std::string& feature) {
  const char* names = std::getenv("LIGHTV_WITHOUT");
  for (const std::string& name : split(names == nullptr ? "" : names, ',')) {
    if (name == feature) return true;
  }
  return false;
}

/** Why a sandbox of `request` did not start; empty when it ran to its end. */
std::string whyNot(const Home& home, CreateRequest request) {
  const std::string id = home.make(std::move(request));
  const Result<Started> started = home.engine().start(id, {});
  if (!started) return started.error().message();
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  CHECK(home.log(id).find("stdout F it runs\n") != std::string::npos);
  return "";
}

/** The error has to have these words; none: there has to be no error. */
void checkWhy(const std::string& why, const std::string& words) {
  INFO(why);
  if (words.empty()) {
    CHECK(why.empty());
  } else {
    CHECK(why.find(words) != std::string::npos);
  }
}

std::string plainWords() {
  if (isMissing("erofs") && isMissing("idmap")) return "Linux 5.12, or an older one with EROFS, is needed";
  return isMissing("pidfd") ? "Linux 5.3 is needed" : "";
}

}  // namespace

TEST_CASE("missing: a sandbox runs, or its error says which kernel it takes, and nothing is left of it") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("echo it runs");
  request.spec.userns = UserNamespace::host;
  checkWhy(whyNot(home, std::move(request)), plainWords());
  CHECK(home.isQuiet());
}

TEST_CASE("missing: a sandbox with a user namespace runs, or its error says that one without does") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("echo it runs");
  request.spec.userns = UserNamespace::automatic;
  std::string words = plainWords();
  if (words.empty() && isMissing("idmap")) words = "no id-mapped mounts: use the host's user namespace";
  if (words.empty() && isMissing("userns"))
    words = "does this kernel allow user namespaces? --userns host does without";
  checkWhy(whyNot(home, std::move(request)), words);
  CHECK(home.isQuiet());
}

TEST_CASE("missing: what is said to be missing is") {
  if (isMissing("openat2")) CHECK((sys::openat2(AT_FDCWD, "/", {}) < 0 && errno == ENOSYS));
  if (isMissing("clone3")) CHECK((::syscall(SYS_clone3, nullptr, 0) < 0 && errno == ENOSYS));
  if (isMissing("idmap")) CHECK((sys::mountSetattr(-1, "", 0, {}) < 0 && errno == ENOSYS));
  if (isMissing("pidfd")) CHECK((sys::pidfdOpen(::getpid()) < 0 && errno == ENOSYS));
  if (isMissing("userns")) CHECK((::unshare(CLONE_NEWUSER) < 0 && errno == EINVAL));
  if (isMissing("erofs")) CHECK((sys::fsOpen("erofs") < 0 && errno == ENODEV));
  if (!isMissing("erofs-file")) return;
  const Fd context(sys::fsOpen("tmpfs"));
  REQUIRE(context.valid());
  CHECK(sys::fsConfig(context.get(), FSCONFIG_SET_STRING, "source", "/proc/self/fd/0", 0) < 0);
  CHECK(errno == ENOTBLK);
  CHECK(sys::fsConfig(context.get(), FSCONFIG_SET_STRING, "source", "none", 0) == 0);
}
