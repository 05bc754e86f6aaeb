// cgroups: what is written where (pure), both layouts over a directory tree, and the real thing of this machine.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "core/cgroup.hpp"
#include "core/cgroup_limits.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

using namespace lightv;
using lightv::test::Outcome;
using lightv::test::Running;
using lightv::test::SandboxFixture;
using lightv::test::TempDir;

namespace {

std::optional<std::string> noDevice(const std::string& path) {
  return path == "/dev/sda" ? std::optional<std::string>("8:0") : std::nullopt;
}

std::string text(const std::vector<CgroupSetting>& settings) {
  std::string all;
  for (const CgroupSetting& setting : settings) all += setting.file + "=" + setting.value + "\n";
  return all;
}

void put(const std::string& path, const std::string& content) {
  REQUIRE(writeFileAtomic(path, content, 0644).ok());
}

/** The files of a v2 hierarchy in a plain directory: what the kernel would make by itself. */
void fakeV2(const std::string& root, const std::vector<std::string>& groups) {
  for (const std::string& group : groups) {
    const std::string dir = root + group;
    REQUIRE(makeDirs(dir, 0755).ok());
    put(dir + "/cgroup.controllers", "cpu memory pids io hugetlb\n");
    put(dir + "/cgroup.subtree_control", "");
    for (const char* file : {"cgroup.procs", "memory.max", "memory.swap.max", "memory.low", "memory.high", "cpu.max",
                             "cpu.weight", "pids.max", "io.weight", "io.max", "cgroup.freeze", "cgroup.kill"}) {
      put(dir + "/" + file, "");
    }
  }
}

Limits allLimits() {
  Limits limits;
  limits.memoryMax = 64U << 20;
  limits.swapMax = 0;
  limits.memoryReservation = 32U << 20;
  limits.cpuQuotaUs = 50000;
  limits.cpuShares = 512;
  limits.pidsMax = 20;
  limits.ioWeight = 500;
  limits.io = {{"/dev/sda", 1000, 0, 0, 7}};
  return limits;
}

}  // namespace

TEST_CASE("cgroup limits: v2 files and values") {
  CHECK(
      text(cgroupSettingsV2(allLimits(), false, noDevice)) ==
      "memory.max=67108864\nmemory.swap.max=0\nmemory.low=33554432\ncpu.max=50000 100000\ncpu.weight=20\npids.max=20\n"
      "io.weight=default 4950\nio.max=8:0 rbps=1000 wbps=max riops=max wiops=7\n");
  CHECK(cgroupSettingsV2(Limits(), false, noDevice).empty());
  CHECK(text(cgroupSettingsV2(Limits(), true, noDevice)) ==
        "memory.max=max\nmemory.swap.max=max\nmemory.low=0\nmemory.high=max\ncpu.max=max "
        "100000\ncpu.weight=100\npids.max=max\n");
}

TEST_CASE("cgroup limits: v1 files and values, swap counted with memory") {
  CHECK(text(cgroupSettingsV1(allLimits(), false, noDevice)) ==
        "memory.limit_in_bytes=67108864\nmemory.memsw.limit_in_bytes=67108864\nmemory.soft_limit_in_bytes=33554432\n"
        "cpu.cfs_period_us=100000\ncpu.cfs_quota_us=50000\ncpu.shares=512\npids.max=20\nblkio.bfq.weight=500\n"
        "blkio.throttle.read_bps_device=8:0 1000\nblkio.throttle.write_iops_device=8:0 7\n");
  CHECK(cgroupSettingsV1(Limits(), false, noDevice).empty());
}

TEST_CASE("cgroup limits: weights follow the shares at both ends") {
  CHECK(cpuWeightOf(2) == 1);
  CHECK(cpuWeightOf(1024) == 39);
  CHECK(cpuWeightOf(262144) == 10000);
  CHECK(cpuWeightOf(0) == 1);
  CHECK(ioWeightOf(10) == 1);
  CHECK(ioWeightOf(1000) == 10000);
}

TEST_CASE("cgroup v2: controllers are handed down, limits written, statistics read, all of it removed") {
  const TempDir dir;
  fakeV2(dir.path(), {"", "/parent", "/parent/box"});
  std::vector<std::string> warnings;
  const Result<Cgroup> group = Cgroup::create("/parent", "box", allLimits(), warnings, dir.path());
  REQUIRE(group.ok());
  CHECK(warnings.empty());
  CHECK(group->directories() == std::vector<std::string>{dir / "parent/box"});
  // A plain file keeps the last of the writes; the kernel adds them up.
  CHECK(readFile(dir / "cgroup.subtree_control")->substr(0, 3) == "+io");
  CHECK(readFile(dir / "parent/cgroup.subtree_control")->substr(0, 3) == "+io");
  CHECK(readFile(dir / "parent/box/cgroup.subtree_control")->empty());
  CHECK(*readFile(dir / "parent/box/memory.max") == "67108864");
  CHECK(*readFile(dir / "parent/box/cpu.max") == "50000 100000");
  CHECK(*readFile(dir / "parent/box/pids.max") == "20");

  const std::string box = dir / "parent/box";
  put(box + "/memory.current", "5000\n");
  put(box + "/memory.stat", "anon 1\ninactive_file 1000\n");
  put(box + "/memory.peak", "6000\n");
  put(box + "/memory.events", "low 0\noom 3\noom_kill 2\n");
  put(box + "/cpu.stat", "usage_usec 77\nthrottled_usec 5\n");
  put(box + "/pids.current", "3\n");
  put(box + "/pids.max", "20\n");
  put(box + "/pids.events", "max 4\n");
  put(box + "/io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n");
  const Result<CgroupStats> stats = group->stats();
  REQUIRE(stats.ok());
  CHECK(stats->memoryBytes == 4000U);
  CHECK(stats->memoryPeakBytes == 6000U);
  CHECK(stats->memoryLimitBytes == 67108864U);
  CHECK(stats->oomKills == 2);
  CHECK(stats->cpuUsageUs == 77U);
  CHECK(stats->throttledUs == 5U);
  CHECK(stats->pids == 3U);
  CHECK(stats->pidsLimit == 20U);
  CHECK(stats->pidsRefused == 4);
  CHECK(stats->ioReadBytes == 11U);
  CHECK(stats->ioWriteBytes == 22U);

  CHECK(group->attach(4242).ok());
  CHECK(*readFile(box + "/cgroup.procs") == "4242");
  put(box + "/cgroup.procs", "1\n22\n");
  CHECK(*group->processes() == std::vector<pid_t>{1, 22});
  put(box + "/cgroup.events", "populated 1\nfrozen 1\n");
  CHECK(group->freeze(true).ok());
  CHECK(*readFile(box + "/cgroup.freeze") == "1");
  CHECK(group->v2Directory().valid());
}

TEST_CASE("cgroup: a limit that can't be set is a warning at create and an error at update") {
  const TempDir dir;
  fakeV2(dir.path(), {"", "/parent", "/parent/box"});
  REQUIRE(removeTree(dir / "parent/box/pids.max").ok());
  std::vector<std::string> warnings;
  Limits limits;
  limits.pidsMax = 5;
  const Result<Cgroup> group = Cgroup::create("/parent", "box", limits, warnings, dir.path());
  REQUIRE(group.ok());
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("pids.max") != std::string::npos);
  const Status updated = group->update(limits);
  REQUIRE_FALSE(updated.ok());
  CHECK(updated.error().detail.find("pids.max") != std::string::npos);
  // Taking back what was never there is fine.
  CHECK(group->update(Limits()).ok());
}

TEST_CASE("cgroup: without any hierarchy there is a warning, not a failure") {
  const TempDir dir;
  std::vector<std::string> warnings;
  const Result<Cgroup> group = Cgroup::create("/parent", "box", Limits(), warnings, dir.path());
  REQUIRE(group.ok());
  CHECK(warnings.size() == 1);
  CHECK(group->kill().ok());
  CHECK(group->remove().ok());
}

TEST_CASE("cgroup: ids and parents that leave their place are refused") {
  std::vector<std::string> warnings;
  CHECK_FALSE(Cgroup::create("/p", "a/b", Limits(), warnings).ok());
  CHECK_FALSE(Cgroup::create("/p", "", Limits(), warnings).ok());
  CHECK_FALSE(Cgroup::create("/p/../..", "x", Limits(), warnings).ok());
}

TEST_CASE("cgroup of this machine: limits hold, OOM kills and refused forks are counted") {
  SandboxFixture fixture;
  // Much more than what PID 1 has, which is a copy of this test with its sanitizer: dd shall be the largest.
  Spec spec = fixture.shell("dd if=/dev/zero of=/dev/null bs=512M count=1; echo $?");
  spec.limits.memoryMax = 128U << 20;
  spec.limits.swapMax = 0;
  spec.limits.pidsMax = 8;
  Cgroup group = fixture.makeCgroup(spec);
  Outcome outcome = fixture.run(spec, group);
  INFO(outcome.error.message());
  REQUIRE(outcome.started);
  CHECK(outcome.output.find("137") != std::string::npos);
  Result<CgroupStats> stats = group.stats();
  REQUIRE(stats.ok());
  CHECK(stats->oomKills >= 1);
  CHECK(stats->memoryLimitBytes == 128U << 20);
  CHECK(stats->memoryPeakBytes.value_or(0) > 0);
  CHECK(stats->cpuUsageUs.value_or(0) > 0);

  spec.args = {"sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; echo done"};
  outcome = fixture.run(spec, group);
  CHECK(outcome.output.find("can't fork") != std::string::npos);
  stats = group.stats();
  CHECK(stats->pidsRefused >= 1);
  CHECK(stats->pidsLimit == 8U);
  CHECK(group.remove().ok());
}

TEST_CASE("cgroup of this machine: update replaces limits up and down") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("sleep 1000");
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  Limits limits;
  for (const unsigned mebibytes : {64U, 256U, 32U}) {
    limits.memoryMax = static_cast<std::uint64_t>(mebibytes) << 20;
    limits.swapMax = 0;
    const Status updated = sandbox.cgroup.update(limits);
    REQUIRE_MESSAGE(updated.ok(), (updated.ok() ? "" : updated.error().message()));
    CHECK(sandbox.cgroup.stats()->memoryLimitBytes == limits.memoryMax);
  }
  REQUIRE(sandbox.cgroup.update(Limits()).ok());
  CHECK_FALSE(sandbox.cgroup.stats()->memoryLimitBytes.has_value());
  limits.cpusetCpus = "4000";
  CHECK_FALSE(sandbox.cgroup.update(limits).ok());
}

TEST_CASE("cgroup of this machine: freeze stops, kill ends everything, remove leaves no directory") {
  SandboxFixture fixture;
  const Spec spec = fixture.shell("while true; do sleep 0.01; done");
  Running sandbox(fixture, spec);
  REQUIRE(sandbox.launched.ok());
  REQUIRE(sandbox.cgroup.processes()->size() >= 2);
  REQUIRE(sandbox.cgroup.freeze(true).ok());
  const std::uint64_t before = *sandbox.cgroup.stats()->cpuUsageUs;
  ::usleep(50000);
  CHECK(*sandbox.cgroup.stats()->cpuUsageUs - before < 5000);
  REQUIRE(sandbox.cgroup.freeze(false).ok());
  REQUIRE(sandbox.cgroup.freeze(true).ok());
  CHECK(sandbox.cgroup.kill().ok());
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(sandbox.launched->initPid), &info, WEXITED | WNOWAIT) == 0);
  CHECK(info.si_status == SIGKILL);
}

TEST_CASE("cgroup of this machine: monitors get a group of their own") {
  SandboxFixture fixture;
  const std::string parent = fixture.cgroupParent();
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    if (!ensureMonitorGroup(parent)) ::_exit(1);
    const Result<std::string> groups = readFile("/proc/self/cgroup");
    ::_exit(groups && groups->find(parent + "/monitors\n") != std::string::npos ? 0 : 2);
  }
  CHECK(test::waitFor(pid) == 0);
}
