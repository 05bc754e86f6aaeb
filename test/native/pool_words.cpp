// The pure parts of the pool: what is learned, what fits, what is sent.
#include <doctest/doctest.h>

#include "core/order.hpp"
#include "core/spec_json.hpp"
#include "engine/pool_talk.hpp"
#include "engine/request_json.hpp"
#include "pool/demand.hpp"
#include "pool/fit.hpp"
#include "pool/pressure.hpp"
#include "pool/status.hpp"

using namespace lightv;

namespace {

constexpr std::uint64_t kSecond = 1'000'000;

Process someProcess() {
  Process process;
  process.args = {"/bin/sh", "-c", "", std::string(3000, 'x')};
  process.env = {"A=1", "B="};
  process.candidates = {"/bin/sh"};
  process.cwd = "/somewhere";
  process.user.uid = 1000;
  process.user.gid = 1001;
  process.user.groups = {5, 6};
  return process;
}

}  // namespace

TEST_CASE("demand: a burst is remembered with one more, and forgotten by halves") {
  Demand demand;
  for (std::uint64_t i = 0; i < 10; i++) demand.started("a", 100 * kSecond + i * 50'000);
  CHECK(demand.wanted(101 * kSecond, 100).at("a") == 11);
  CHECK(demand.wanted(101 * kSecond + Demand::kHalfLifeUs, 100).at("a") == 6);
  CHECK(demand.wanted(101 * kSecond + 20 * Demand::kHalfLifeUs, 100).empty());
}

TEST_CASE("demand: starts that come slowly are no burst") {
  Demand demand;
  for (std::uint64_t i = 1; i < 100; i++) demand.started("a", i * 3 * kSecond);
  CHECK(demand.wanted(300 * kSecond, 100).at("a") == 2);
}

TEST_CASE("demand: with too little for all, wishes come first, then each image has one") {
  Demand demand;
  demand.setWishes({{"wished", 3}});
  for (int i = 0; i < 50; i++) demand.started("busy", kSecond);
  demand.started("late", 2 * kSecond);
  const auto wanted = demand.wanted(2 * kSecond, 6);
  CHECK(wanted.at("wished") == 3);
  CHECK(wanted.at("late") == 2);
  CHECK(wanted.at("busy") == 1);
  CHECK(demand.wanted(2 * kSecond, 0).empty());
  CHECK(demand.wanted(2 * kSecond, 3).size() == 1);
}

TEST_CASE("demand: no more images are remembered than it says") {
  Demand demand;
  for (std::size_t i = 0; i < Demand::kMostImages + 10; i++) demand.started(std::to_string(i), kSecond + i);
  CHECK(demand.wanted(2 * kSecond, 100000).size() == Demand::kMostImages);
}

TEST_CASE("pressure: the kernel's text in hundredths of a percent") {
  CHECK(parsePressure("some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=99.00\n") == 1234);
  CHECK(parsePressure("some avg10=0.00 avg60=0.00") == 0);
  CHECK(parsePressure("") == 0);
  CHECK(parsePressure("some avg10=what") == 0);
}

TEST_CASE("order: what is sent is what comes, and broken bytes are refused") {
  const Process sent = someProcess();
  const std::string bytes = encodeOrder(sent);
  Process got;
  REQUIRE(decodeOrder(bytes, got));
  CHECK(got.args == sent.args);
  CHECK(got.env == sent.env);
  CHECK(got.candidates == sent.candidates);
  CHECK(got.cwd == sent.cwd);
  CHECK(got.user.uid == 1000);
  CHECK(got.user.gid == 1001);
  CHECK(got.user.groups == sent.user.groups);
  REQUIRE(got.argv.size() == sent.args.size() + 1);
  CHECK(std::string(got.argv[1]) == "-c");
  CHECK(got.argv.back() == nullptr);
  for (std::size_t size = 0; size < bytes.size(); size++) {
    Process broken;
    CHECK_FALSE(decodeOrder(std::string_view(bytes).substr(0, size), broken));
  }
  Process broken;
  CHECK_FALSE(decodeOrder(bytes + "x", broken));
  CHECK_FALSE(decodeOrder(std::string(64, '\xff'), broken));
}

TEST_CASE("pool request: what is written is what is read, also what was given and is the default") {
  PoolRequest sent{.root = "/root", .wantStdin = true, .hasStderr = true, .callerLimits = true};
  sent.create.image = "name";
  sent.create.command = {"a", "b"};
  sent.create.entrypoint = std::vector<std::string>{};
  sent.create.spec.name = "one";
  sent.create.spec.env = {"A=\xc3\xa9", "B"};
  sent.create.spec.limits.memoryMax = 5000000;
  sent.create.spec.limits.io = {{"/dev/sda", 1, 2, 3, 4}};
  sent.create.spec.rlimits = {{"nofile", 1, 2}};
  sent.create.spec.restart = {RestartWhen::onFailure, 3};
  sent.create.spec.log.maxFiles = 7;
  sent.create.spec.mounts = {{.kind = MountKind::tmpfs, .target = "/t"}};
  sent.create.spec.labels["x"] = "y";
  sent.create.spec.userns = UserNamespace::automatic;
  sent.create.workdirGiven = sent.create.userGiven = sent.create.cgroupParentGiven = true;
  const auto got = parsePoolRequest(toJson(sent));
  INFO(got.error().message());
  REQUIRE(got.ok());
  CHECK(got->root == sent.root);
  CHECK(got->wantStdin);
  CHECK_FALSE(got->hasStdout);
  CHECK(got->hasStderr);
  CHECK(got->callerLimits);
  CHECK(got->create.spec == sent.create.spec);
  CHECK(got->create.command == sent.create.command);
  CHECK(got->create.entrypoint == sent.create.entrypoint);
  CHECK(got->create.workdirGiven);
  CHECK(got->create.userGiven);
  CHECK(got->create.cgroupParentGiven);
  CHECK_FALSE(got->create.hostnameGiven);
  CHECK_FALSE(got->create.stopSignalGiven);
}

TEST_CASE("pool status and keeper requests survive their JSON") {
  PoolStatus sent{.pid = 5, .most = 9, .paused = true, .taken = 3, .missed = 4, .failures = 1, .lastFailure = "why"};
  sent.images = {{"sha256:x", "name", 1, 2, 3, 4, 5}};
  const auto got = parsePoolStatus(toJson(sent));
  REQUIRE(got.ok());
  CHECK(toJson(*got) == toJson(sent));
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto missed = parseKeeperRequest(toJson(KeeperRequest{.op = KeeperOp::missed, .image = digest}));
  REQUIRE(missed.ok());
  CHECK(missed->image == digest);
  CHECK_FALSE(parseKeeperRequest(R"({"op":"missed","image":"../x"})").ok());
  CHECK_FALSE(parseKeeperRequest(R"({"op":"resize","most":99999})").ok());
}

TEST_CASE("fit: what is applied late may differ, what stands may not") {
  Spec prepared;
  prepared.id = "0123456789abcdef";
  prepared.imagePath = "/image";
  Spec wanted = prepared;
  wanted.args = {"x"};
  wanted.env = {"A=1"};
  wanted.user = "1";
  wanted.cwd = "/x";
  wanted.hostname = "other";
  wanted.name = "n";
  wanted.limits.memoryMax = 1;
  wanted.rlimits = {{"core", 0, 0}};
  wanted.autoRemove = true;
  wanted.restart.when = RestartWhen::always;
  CHECK(fits(wanted, prepared));
  wanted.mounts = {{.source = "/host", .target = "/data"},
                   {.kind = MountKind::tmpfs, .target = "/devices"},
                   {.kind = MountKind::volume, .target = "/etc/hosts.d"},
                   {.kind = MountKind::volume, .target = "/root/.config/..x"}};
  CHECK(fits(wanted, prepared));
  // Under the sandbox's own file systems, in the place of its files, or hard to tell.
  for (const char* target : {"/dev/shm", "/dev", "/proc/x", "/sys/fs", "/etc/hosts", "/etc/hostname",
                             "/etc/resolv.conf", "//dev/x", "/./sys", "/x/../dev", "dev", ""}) {
    CAPTURE(target);
    Spec other = wanted;
    other.mounts.push_back({.source = "/host", .target = target});
    CHECK_FALSE(fits(other, prepared));
  }
  for (const auto& change : std::vector<void (*)(Spec&)>{
           [](Spec& s) { s.network = Network::host; }, [](Spec& s) { s.userns = UserNamespace::automatic; },
           [](Spec& s) { s.capabilities = {"SYS_ADMIN"}; }, [](Spec& s) { s.seccomp = false; },
           [](Spec& s) { s.noNewPrivileges = false; }, [](Spec& s) { s.maskPaths = false; },
           [](Spec& s) { s.readOnlyRoot = true; }, [](Spec& s) { s.devices = {"/dev/kvm"}; },
           [](Spec& s) { s.imageDigest = "other"; }, [](Spec& s) { s.imagePath = "/other"; },
           [](Spec& s) { s.cgroupParent = "/other"; }, [](Spec& s) { s.terminal = true; },
           [](Spec& s) { s.init = false; }, [](Spec& s) { s.shmSizeBytes = 4096; }}) {
    Spec other = wanted;
    change(other);
    CHECK_FALSE(fits(other, prepared));
  }
}
