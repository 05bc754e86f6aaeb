// Starts by a prepared sandbox: the same as from nothing, and one run each.
#include <sys/resource.h>

#include "pool_fixture.hpp"
#include "pool_looks.hpp"

using namespace pooltest;

namespace {

/** All that a program can see of how it was started; numbers of processes and mounts differ by nature, and the length
 * of a user's signal queue (SigQ) is all of the machine's. */
constexpr const char* kLook =
    "cat /proc/self/status | while read key value; do case $key in "
    "Uid:|Gid:|Groups:|Umask:|Seccomp*|NoNewPrivs:|Cap*|Sig[!Q]*|Shd*"
    "|NStgid:|NSpid:|PPid:) echo $key $value;; esac; done;"
    "cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup /proc/sys/kernel/hostname /proc/net/dev;"
    "cat /etc/hosts /etc/hostname; pwd; set; echo /proc/self/fd/*; cat /proc/1/environ 2>/dev/null; echo; cat "
    "/proc/1/cmdline | /bin/busybox tr -d '\\0'; echo";

}  // namespace

TEST_CASE("pool: a prepared sandbox runs the request, and its record and log are as any") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  CreateRequest request = pool.shell("echo $WORD; echo problem >&2; exit 7");
  request.spec.env = {"WORD=hello"};
  request.spec.name = "tester";
  request.spec.labels["kind"] = "test";
  const Ran ran = runPrepared(home, request);
  REQUIRE(ran.prepared);
  CHECK(ran.exit.exitCode == 7);
  CHECK(ran.out.find("hello\n") != std::string::npos);
  CHECK(ran.out.find("problem\n") != std::string::npos);
  REQUIRE(home.engine().find("tester").ok());
  CHECK(*home.engine().find("tester") == ran.id);
  const SandboxInfo info = home.info(ran.id);
  CHECK(info.status == SandboxStatus::exited);
  REQUIRE(info.exit.has_value());
  CHECK(info.exit->exitCode == 7);
  CHECK(info.spec.labels.at("kind") == "test");
  CHECK(home.log(ran.id).find(" stdout F hello\n") != std::string::npos);
  // It can be started again, then from nothing.
  const auto again = home.engine().start(ran.id, {});
  REQUIRE(again.ok());
  CHECK(receiveExit(again->control.get()).exitCode == 7);
}

TEST_CASE("pool: what a program sees is the same, prepared or from nothing") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 3);
  for (const std::string user : {"", "1000:1001"}) {
    for (const char* script : {kLook, kMounts}) {
      CreateRequest request = pool.shell(script);
      request.userGiven = request.hostnameGiven = !user.empty();
      request.spec.hostname = user.empty() ? "" : "other-name";
      request.spec.user = user;
      request.spec.env = {"SECRET=mine"};
      const Ran prepared = runPrepared(home, request);
      REQUIRE(prepared.prepared);
      const Ran cold = runCold(home, request);
      INFO(cold.error.message());
      REQUIRE(cold.exit.exitCode == 0);
      CHECK(differences(lookOf(prepared), lookOf(cold)).empty());
      REQUIRE(pool.awaitReady(3));
    }
  }
}

TEST_CASE("pool: nothing of the keeper or of one run is visible in the next") {
  if (!canRun()) return;
  const Home home;
  REQUIRE(::setenv("LV_TEST_SECRET", "keepers-own", 1) == 0);
  const Pool pool(home, 2);
  REQUIRE(::unsetenv("LV_TEST_SECRET") == 0);
  CreateRequest first =
      pool.shell("echo first > /left; echo first > /dev/shm/left; umask 0; hostname; sleep 1000 & true");
  first.spec.env = {"FIRST=secret-of-first"};
  first.spec.limits.pidsMax = 77;
  first.spec.rlimits = {{"nofile", 33, 44}};
  const Ran one = runPrepared(home, first);
  REQUIRE(one.prepared);
  CreateRequest second = pool.shell(
      "ls / /dev/shm; set; cat /proc/1/environ /proc/1/cmdline; ulimit -n; umask; "
      "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; ls /proc/self/fd");
  // Its id would be the name otherwise, and may hold any two digits.
  second.hostnameGiven = true;
  second.spec.hostname = "next";
  const Ran two = runPrepared(home, second);
  REQUIRE(two.prepared);
  CHECK(one.id != two.id);
  for (const char* trace : {"left", "secret-of-first", "keepers-own", "LV_TEST_SECRET", "77", "33"}) {
    INFO(trace << " in " << two.out);
    CHECK(two.out.find(trace) == std::string::npos);
  }
}

TEST_CASE("pool: limits, resource limits, user, directory and stdin of a request hold") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  CreateRequest request = pool.shell("id -u 2>/dev/null || cat /proc/self/status | head -9; pwd; ulimit -n; cat");
  request.spec.limits.pidsMax = 55;
  request.spec.rlimits = {{"nofile", 123, 456}};
  request.spec.cwd = "/data/new/directory";
  request.workdirGiven = true;
  request.spec.openStdin = true;
  Capture out;
  auto start = home.engine().startPrepared(request, {.attach = {.out = out.in()}, .attachStdin = true});
  REQUIRE(start.has_value());
  REQUIRE(start->started.ok());
  REQUIRE(start->started->stdinEnd.valid());
  const auto stats = home.engine().stats(start->id);
  REQUIRE(stats.ok());
  CHECK(stats->cgroup.pidsLimit == 55);
  REQUIRE(writeAll(start->started->stdinEnd.get(), "typed\n", "stdin").ok());
  start->started->stdinEnd.reset();
  CHECK(receiveExit(start->started->control.get()).exitCode == 0);
  start->started->control.reset();
  const std::string text = out.readAll();
  CHECK(text.find("/data/new/directory\n123\ntyped\n") != std::string::npos);
}

TEST_CASE("pool: a workload begins with its caller's resource limits") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &before) == 0);
  const rlimit mine{4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_CORE, &mine) == 0);
  const Ran ran = runPrepared(home, pool.shell("cat /proc/self/limits"));
  REQUIRE(::setrlimit(RLIMIT_CORE, &before) == 0);
  REQUIRE(ran.prepared);
  CHECK(ran.out.find("Max core file size        4096 ") != std::string::npos);
}

TEST_CASE("pool: a program that can't be executed is told as such, and --rm leaves nothing") {
  if (!canRun()) return;
  const Home home;
  Pool pool(home);
  CreateRequest request = pool.request({"/not/there"});
  request.spec.autoRemove = true;
  const Ran ran = runPrepared(home, request);
  REQUIRE(ran.prepared);
  CHECK(ran.error.op == "exec");
  CHECK(ran.error.err == ENOENT);
  pool.end(SIGTERM);
  CHECK(isClean(home));
}

TEST_CASE("pool: what no prepared sandbox has is left to a start from nothing") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const std::vector<std::function<void(CreateRequest&)>> others{
      [](CreateRequest& r) { r.privileged = true; },
      [](CreateRequest& r) { r.capAdd = {"NET_RAW"}; },
      [](CreateRequest& r) { r.capDrop = {"CHOWN"}; },
      [](CreateRequest& r) { r.spec.seccomp = false; },
      [](CreateRequest& r) { r.spec.noNewPrivileges = false; },
      [](CreateRequest& r) { r.spec.network = Network::host; },
      [](CreateRequest& r) { r.usernsGiven = true; },  // the host's
      [](CreateRequest& r) { r.spec.terminal = true; },
      [](CreateRequest& r) { r.spec.init = false; },
      [](CreateRequest& r) { r.spec.shmSizeBytes = 1U << 20; },
      [](CreateRequest& r) { r.spec.cgroupParent += "/other"; },
      [](CreateRequest& r) { r.spec.devices = {"/dev/fuse"}; },
      [](CreateRequest& r) { r.spec.readOnlyRoot = true; },
      [](CreateRequest& r) { r.spec.name = "not/a/name"; },
      [](CreateRequest& r) { r.image = "unknown"; }};
  for (std::size_t i = 0; i < others.size(); i++) {
    INFO(i);
    CreateRequest request = pool.shell("true");
    others[i](request);
    CHECK_FALSE(runPrepared(home, request).prepared);
  }
  // And the one that waited is still there.
  CHECK(runPrepared(home, pool.shell("true")).prepared);
}

TEST_CASE("pool: a name that is taken is refused by the start from nothing, which says so") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 2);
  CreateRequest request = pool.shell("true");
  request.spec.name = "only";
  CHECK(runPrepared(home, request).prepared);
  CHECK_FALSE(runPrepared(home, request).prepared);
  CHECK(runCold(home, request).error.err == EEXIST);
  CHECK(pool.idle().size() >= 1);
}
