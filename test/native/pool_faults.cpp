// What happens to prepared sandboxes and their keeper must hurt no start, and leave nothing.
#include <algorithm>

#include "pool_fixture.hpp"
#include "sys/syscalls.hpp"

using namespace pooltest;

TEST_CASE("pool: a keeper that ends takes all idle sandboxes with it, and none that runs") {
  if (!canRun()) return;
  for (const int signal : {SIGTERM, SIGKILL}) {
    const Home home;
    Pool pool(home, 3);
    Capture out;
    CreateRequest request = pool.shell("echo up; sleep 1000");
    request.spec.autoRemove = true;
    auto start = home.engine().startPrepared(request, {.attach = {.out = out.in()}});
    REQUIRE(start.has_value());
    REQUIRE(start->started.ok());
    CHECK(out.readUntil("up\n") == "up\n");
    pool.end(signal);
    CHECK(eventually([&] { return pool.idle().empty(); }));
    const std::size_t hierarchies = Cgroup::open("/", home.parent().substr(1)).directories().size();
    CHECK(eventually([&] { return home.groups().size() == hierarchies; }));
    CHECK(home.info(start->id).status == SandboxStatus::running);
    CHECK(home.entries(home.paths().root + "/sandboxes") == std::vector<std::string>{start->id});
    CHECK_FALSE(runPrepared(home, pool.shell("true")).prepared);
    CHECK(home.engine().stop(start->id, SIGKILL, 0).ok());
    CHECK(isClean(home));
  }
}

TEST_CASE("pool: a prepared sandbox that is killed is replaced, and starts go on") {
  if (!canRun()) return;
  const Home home;
  Pool pool(home, 2);
  const auto killed = pool.idle();
  for (const pid_t pid : killed) REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(runCold(home, pool.shell("true")).exit.exitCode == 0);
  // The keeper may not have heard of it yet.
  const auto isKilled = [&](pid_t pid) { return std::find(killed.begin(), killed.end(), pid) != killed.end(); };
  CHECK(eventually([&] {
    const auto idle = pool.idle();
    return std::none_of(idle.begin(), idle.end(), isKilled);
  }));
  REQUIRE(pool.awaitReady(2));
  CHECK(runPrepared(home, pool.shell("true")).prepared);
  // What the killed ones left, the next sweep takes.
  CHECK(home.engine().sweep().ok());
  pool.end(SIGTERM);
  const auto left = home.engine().list();
  REQUIRE(left.ok());
  for (const SandboxInfo& info : *left) CHECK(home.engine().remove(info.spec.id, true, true).ok());
  CHECK(isClean(home));
}

TEST_CASE("pool: when a part of a prepared sandbox dies, the whole of it goes") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const pid_t member = pool.idle().at(0);
  const Result<std::string> children =
      readFile("/proc/" + std::to_string(member) + "/task/" + std::to_string(member) + "/children");
  REQUIRE(children.ok());
  const auto init = parseInteger<pid_t>(trim(*children));
  REQUIRE(init.has_value());
  REQUIRE(::kill(*init, SIGKILL) == 0);
  CHECK(eventually([&] { return ::kill(member, 0) != 0; }));
  REQUIRE(pool.awaitReady(1));
  CHECK(pool.idle().at(0) != member);
}

TEST_CASE("pool: a request to a prepared sandbox that is stopped is not run twice") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const pid_t member = pool.idle().at(0);
  REQUIRE(::kill(pool.pid(), SIGSTOP) == 0);
  REQUIRE(::kill(member, SIGSTOP) == 0);
  CreateRequest request = pool.shell("echo ran");
  request.spec.name = "once";
  CHECK_FALSE(runPrepared(home, request).prepared);
  CHECK(runCold(home, request).out == "ran\n");
  REQUIRE(::kill(member, SIGCONT) == 0);
  REQUIRE(::kill(pool.pid(), SIGCONT) == 0);
  // It finds the request and a caller that has gone.
  CHECK(eventually([&] { return pool.awaitReady(1); }));
  CHECK(home.engine().list()->size() == 1);
}

TEST_CASE("pool: broken requests change nothing") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home);
  const pid_t member = pool.idle().at(0);
  const std::string good = toJson(PoolRequest{.root = home.paths().root, .create = pool.shell("true")});
  const std::vector<std::string> broken{
      "",
      "{}",
      "[]",
      "not JSON",
      std::string(kMaxMessageBytes, 'x'),
      R"({"root":"/elsewhere","create":{"image":"busybox"}})",
      R"({"root":1,"create":[]})",
      good + "}",
      good.substr(0, good.size() / 2),
      R"({"root":")" + home.paths().root + R"(","create":{"image":"busybox","unknown":1}})"};
  for (const std::string& text : broken) {
    INFO(text.substr(0, 80));
    const Result<Fd> connection = tryConnectSeqpacket(pool.socket());
    REQUIRE(connection.ok());
    (void)sendMessage(connection->get(), text);
    const Result<Message> answer = receiveMessageWithin(connection->get(), kPatienceMs);
    CHECK((!answer || answer->endOfFile));
  }
  CHECK(pool.idle() == std::vector<pid_t>{member});
  CHECK(home.engine().list()->empty());
  CHECK(runPrepared(home, pool.shell("true")).prepared);
}

TEST_CASE("pool: an empty pool sends callers away, and learns from them") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 1);
  std::vector<std::string> ids;
  for (int i = 0; i < 6; i++) {
    auto start = home.engine().startPrepared(pool.shell("true"), {});
    if (start) ids.push_back(start->id);
  }
  CHECK(ids.size() >= 1);
  // Six within a second: so many, and one, shall be ready for the next six.
  CHECK(pool.awaitReady(7));
  const auto status = pool.ask();
  REQUIRE(status.ok());
  CHECK(status->taken == ids.size());
  CHECK(status->taken + status->missed == 6);
  CHECK(status->images[0].wish == 1);
}

TEST_CASE("pool: told to, it becomes as small or as large as that") {
  if (!canRun()) return;
  const Home home;
  const Pool pool(home, 3);
  REQUIRE(pool.ask({.op = KeeperOp::resize, .most = 0}).ok());
  CHECK(eventually([&] { return pool.idle().empty() && home.entries(home.paths().root + "/sandboxes").empty(); }));
  CHECK_FALSE(runPrepared(home, pool.shell("true")).prepared);
  REQUIRE(pool.ask({.op = KeeperOp::resize, .most = 2}).ok());
  CHECK(pool.awaitReady(2));
}

TEST_CASE("pool: wishes are read from their file, and an image that goes takes its sandboxes along") {
  if (!canRun()) return;
  const Home home;
  const std::string digest = storeImage(home);
  REQUIRE(writeFileAtomic(wishesFile(home.paths()), digest + " 2\nnonsense\nsha256:0 5\n").ok());
  const Pool pool(home, 0, 2);
  REQUIRE(home.engine().images().removeImage(digest).ok());
  CHECK_FALSE(runPrepared(home, pool.shell("true")).prepared);
  CHECK(eventually([&] { return pool.idle().empty(); }));
}

TEST_CASE("pool: a second keeper does not start, and a new one clears what a killed one left") {
  if (!canRun()) return;
  const Home home;
  Pool pool(home, 1);
  Keeper second(home.engine(), KeeperOptions{.cgroupParent = home.parent()});
  const Status opened = second.open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().err == EBUSY);
  pool.end(SIGKILL);
  REQUIRE(exists(pool.socket()));
  CHECK_FALSE(runPrepared(home, pool.shell("true")).prepared);
  pool.start(1);
  CHECK(pool.awaitReady(1));
  CHECK(runPrepared(home, pool.shell("true")).prepared);
}

TEST_CASE("pool: a kernel that clones attached mounts only has prepared sandboxes too") {
  if (!canRun()) return;
  const sys::MissingCall missing(sys::Call::cloneDetached);
  const Home home;
  Pool pool(home, 2);
  const std::string point = poolMountPoint(home.paths(), pool.digest());
  const auto mountsOf = [](pid_t pid) {
    const Result<std::string> text = readFile("/proc/" + std::to_string(pid) + "/mountinfo");
    return text ? *text : std::string();
  };
  CHECK(mountsOf(pool.pid()).find(point) != std::string::npos);
  // The host's "/" is followed where it is shared; else the keeper stays with it, or it would keep its mounts busy.
  const bool followed = mountsOf(::getpid()).find(" / / rw,relatime shared:") != std::string::npos;
  CHECK((mountsOf(::getpid()).find(point) == std::string::npos) == followed);
  const Ran ran = runPrepared(home, pool.shell("cat /proc/self/mountinfo"));
  CHECK(ran.prepared);
  CHECK(ran.out.find(point) == std::string::npos);
  // As a kill leaves it: an empty directory, which the next one takes.
  pool.end(SIGKILL);
  CHECK(exists(point));
  pool.start(2);
  REQUIRE(pool.awaitReady(2));
  CHECK(runPrepared(home, pool.shell("true")).prepared);
  REQUIRE(home.engine().images().removeImage(pool.digest()).ok());
  CHECK(eventually([&] { return pool.idle().empty() && !exists(point); }));
  pool.end(SIGTERM);
  CHECK(eventually([&] { return home.isQuiet(); }));
}
