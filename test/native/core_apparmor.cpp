// AppArmor: which profile a sandbox has, that it is written into a procfs or not at all, and what it forbids where the
// kernel has it (a device with the package apparmor: test/system/native.test.ts, apparmor.test.ts).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "core/apparmor.hpp"
#include "core/launch.hpp"
#include "core/process.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::SandboxFixture;
using lightv::test::TempDir;

namespace {

bool isUsable() {
  return hasAppArmor() && isProfileLoaded(kDefaultAppArmorProfile) && exists("/sys/kernel/security/apparmor/profiles");
}

/** A directory with a file where a procfs has `self/attr/NAME`. */
std::string fakeAttribute(const TempDir& dir, const std::string& name) {
  const std::string path = dir / ("self/attr/" + name);
  REQUIRE(makeDirs(parentPath(path)));
  REQUIRE(writeFileAtomic(path, ""));
  return path;
}

}  // namespace

TEST_CASE("apparmor: names of profiles are checked, and found in the kernel's list") {
  for (const char* name : {"unconfined", "lightv-default", "/usr/bin/man", "a//b", ":ns:profile"}) {
    CHECK(checkAppArmorProfile(name).ok());
  }
  for (const char* name : {"", "two words", "line\nbreak", "tab\t", "\x7f"}) {
    CHECK(checkAppArmorProfile(name).error().err == EINVAL);
  }
  CHECK_FALSE(checkAppArmorProfile(std::string(2000, 'a')).ok());
  const char* list = "/usr/sbin/a (enforce)\nlightv-default (complain)\n";
  CHECK(listsProfile(list, "lightv-default"));
  CHECK(listsProfile(list, "/usr/sbin/a"));
  CHECK_FALSE(listsProfile(list, "lightv"));
  CHECK_FALSE(listsProfile("", "lightv"));
}

TEST_CASE("apparmor: the default, a profile of one's own, none with unconfined and for a privileged exec") {
  Spec spec;
  CHECK(appArmorProfile(spec) == kDefaultAppArmorProfile);
  spec.appArmor = "mine";
  CHECK(appArmorProfile(spec) == "mine");
  spec.appArmor = kAppArmorUnconfined;
  const Result<AppArmorChange> none = prepareAppArmor(spec);
  REQUIRE(none.ok());
  CHECK(none->text.empty());
  CHECK_FALSE(none->proc);
  // Not even loaded: with exec --privileged it is not asked for.
  spec.appArmor = "no-such-profile";
  ExecSpec exec;
  exec.args = {"/bin/true"};
  CHECK_FALSE(prepareExec(spec, exec, UserIds(), Stdio()).ok());
  exec.privileged = true;
  CHECK(prepareExec(spec, exec, UserIds(), Stdio()).ok());
}

TEST_CASE("apparmor: it is written into a procfs and nowhere else (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881)") {
  for (const char* name : {"apparmor/exec", "exec"}) {
    const TempDir dir;
    const std::string file = fakeAttribute(dir, name);
    const Fd directory(::open(dir.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK(changeAtExec(directory.get(), "exec lightv-default") == EPERM);
    CHECK(*readFile(file) == "");
    // A link, were it into a procfs: that of a switch of the kernel's.
    REQUIRE(::unlink(file.c_str()) == 0);
    REQUIRE(::symlink("/proc/self/comm", file.c_str()) == 0);
    const Result<std::string> before = readFile("/proc/self/comm");
    CHECK(changeAtExec(directory.get(), "exec lightv-default") == ELOOP);
    CHECK(*readFile("/proc/self/comm") == *before);
  }
  const TempDir empty;
  const Fd directory(::open(empty.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  CHECK(changeAtExec(directory.get(), "exec lightv-default") == ENOENT);
}

TEST_CASE(
    "apparmor: a profile that can't be had starts nothing when it was asked for, and is no matter as the default") {
  SandboxFixture fixture;
  Spec spec = fixture.shell("echo ran");
  const Outcome plain = fixture.run(spec);
  CHECK(plain.output == "ran\n");
  spec.appArmor = "no-such-profile";
  const Outcome asked = fixture.run(spec);
  CHECK_FALSE(asked.started);
  CHECK(asked.error.err == (hasAppArmor() ? ENOENT : ENOTSUP));
  CHECK(asked.error.message().find("no-such-profile") != std::string::npos);
  spec.appArmor = kAppArmorUnconfined;
  CHECK(fixture.run(spec).output == "ran\n");
}

TEST_CASE("apparmor: the workload has the profile, and it holds where nothing else does") {
  if (!isUsable()) {
    MESSAGE("SKIPPED apparmor: this kernel has no AppArmor, or lightv-default is not loaded");
    return;
  }
  SandboxFixture fixture;
  const std::string look = "cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current; ";
  // All rights and no filter: what refuses here is the profile.
  Spec spec =
      fixture.shell(look + "mount -t tmpfs none /tmp && echo mounted; echo x >/proc/sysrq-trigger && echo told");
  spec.capabilities = {"SYS_ADMIN", "DAC_OVERRIDE"};
  spec.seccomp = spec.landlock = spec.maskPaths = false;
  const Outcome confined = fixture.run(spec);
  CHECK(confined.output.find("lightv-default (enforce)") != std::string::npos);
  CHECK(confined.output.find("mounted") == std::string::npos);
  CHECK(confined.output.find("told") == std::string::npos);
  spec = fixture.shell(look + "mount -t tmpfs none /tmp && echo mounted");
  spec.capabilities = {"SYS_ADMIN"};
  spec.seccomp = spec.landlock = false;
  spec.appArmor = kAppArmorUnconfined;
  const Outcome free = fixture.run(spec);
  CHECK(free.output.find("unconfined") == 0);
  CHECK(free.output.find("mounted") != std::string::npos);
}
