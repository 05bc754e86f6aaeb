// An ordinary user's ids, roots and hierarchies: what is decided before the kernel is asked.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "core/cgroup_place.hpp"
#include "core/user_namespace.hpp"
#include "engine/rootless_limits.hpp"
#include "lv_builder.hpp"
#include "rootless/id_map.hpp"
#include "rootless/refusal.hpp"
#include "rootless/roots.hpp"
#include "rootless/subordinate_ids.hpp"
#include "rootless/user.hpp"
#include "sys/file.hpp"

using namespace lightv;
using Strings = std::vector<std::string>;

namespace {

std::vector<IdRange> grantedTo(const std::string& text, const char* owner, const char* id) {
  return grantsOf(readGrants(text), owner, id);
}

void put(const std::string& path, const std::string& content, mode_t mode = 0644) {
  REQUIRE(writeFileAtomic(path, content, mode).ok());
}

/** What an ordinary user finds: access(2) tells root that all is his. */
bool asNobody(const std::function<bool()>& holds) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool dropped = ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
    ::_exit(dropped && holds() ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/** A group of either version in a plain directory. */
void fakeGroup(const std::string& path, const char* controllers, bool nobodys) {
  REQUIRE(makeDirs(path, 0755).ok());
  put(path + "/cgroup.procs", "");
  if (controllers != nullptr) put(path + "/cgroup.controllers", controllers);
  const uid_t owner = nobodys ? 65534 : 0;
  REQUIRE(::chown(path.c_str(), owner, owner) == 0);
  REQUIRE(::chown((path + "/cgroup.procs").c_str(), owner, owner) == 0);
}

}  // namespace

TEST_CASE("rootless ids: lines of subuid are read as newuidmap reads them, others left out") {
  const std::string text =
      "ann:100000:65536\n#comment\nbob:1:2:3\nann:200000:10 \n1000:300000:5\n:7:7\nann:x:5\nann:5:0\nann:4294967296:1\n"
      "ann:-5:9\n\nann:400000:1";
  CHECK(grantedTo(text, "ann", "1000") ==
        std::vector<IdRange>{{100000, 165536}, {200000, 200010}, {300000, 300005}, {400000, 400001}});
  CHECK(grantedTo(text, "bob", "1001").empty());
  // Whoever has no name is not the owner of a line without one.
  CHECK(grantedTo(text, "", "7").empty());
  CHECK(grantedTo("", "ann", "1000").empty());
}

TEST_CASE("rootless ids: the user is root inside, his ranges follow, 65,536 ids in all") {
  CHECK(mapOfUser(1000, {{100000, 165536}}) == IdMap{{0, 1000, 1}, {1, 100000, 65535}});
  CHECK(mapOfUser(1000, {{100000, 100010}, {200000, 200005}}) == IdMap{{0, 1000, 1}, {1, 100000, 10}, {11, 200000, 5}});
  CHECK(mapOfUser(1000, {}) == IdMap{{0, 1000, 1}});
}

TEST_CASE("rootless ids: what the kernel would refuse, or nobody should have, is left out") {
  // The host's root, the user himself, one range twice, the last id.
  CHECK(mapOfUser(1000, {{0, 65536}}).size() == 1);
  CHECK(mapOfUser(1000, {{900, 1100}}).size() == 1);
  CHECK(mapOfUser(1000, {{5000, 6000}, {5500, 7000}, {7000, 7001}}) ==
        IdMap{{0, 1000, 1}, {1, 5000, 1000}, {1001, 7000, 1}});
  CHECK(mapOfUser(1000, {{0xFFFFFF00, 0x100000000}}).size() == 1);
  std::vector<IdRange> many;
  for (std::uint64_t i = 0; i < 1000; i++) many.push_back({100000 + 2 * i, 100001 + 2 * i});
  CHECK(mapOfUser(1000, many).size() == 340);
}

TEST_CASE("rootless ids: a namespace below has each id as it is, extent by extent") {
  const Result<IdMap> map = sameIdsBelow("         0       1000          1\n         1     100000      65535\n");
  REQUIRE(map.ok());
  CHECK(toText(*map) == "0 0 1\n1 1 65535\n");
  CHECK_FALSE(sameIdsBelow("").ok());
  CHECK_FALSE(sameIdsBelow("0 1000\n").ok());
  CHECK_FALSE(sameIdsBelow("0 x 1\n").ok());
  // Of this process: the first namespace's is one line.
  CHECK(ownMaps().ok());
}

TEST_CASE("rootless ids: who the user is stands in passwd") {
  const std::string passwd =
      "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nann2:x:1000:7::/x:\n";
  const User ann = findUser(passwd, 1000, 1000);
  CHECK(ann.name == "ann");
  CHECK(ann.home == "/home/ann");
  CHECK(findUser(passwd, 1001, 1001).name.empty());
}

TEST_CASE("rootless: a closed switch of the kernel explains itself") {
  CHECK(closedSwitch({}).empty());
  CHECK(closedSwitch({"1", "15000", "0"}).empty());
  CHECK(closedSwitch({"0", "15000", ""}).find("unprivileged_userns_clone=1") != std::string::npos);
  CHECK(closedSwitch({"", "0", ""}).find("max_user_namespaces") != std::string::npos);
  CHECK(closedSwitch({"1", "15000", "1"}).find("AppArmor") != std::string::npos);
  CHECK(refusal("unshare", ENOSPC, {"", "10", ""}).message().find("are in use") != std::string::npos);
  CHECK(refusal("unshare", EINVAL, {}).message().find("CONFIG_USER_NS") != std::string::npos);
}

TEST_CASE("rootless roots: XDG's directories, else the home and /run/user, and only what is the user's alone") {
  const lvtest::TempDir dir;
  const User user{::getuid(), ::getgid(), "ann", "/home/ann"};
  CHECK(*userRoot({"/data", "/h", ""}, user) == "/data/lightv");
  CHECK(*userRoot({"relative", "/h", ""}, user) == "/h/.local/share/lightv");
  CHECK(*userRoot({"", "", ""}, user) == "/home/ann/.local/share/lightv");
  CHECK_FALSE(userRoot({"", "", ""}, User{1000, 1000, "", ""}).ok());
  CHECK(*userRunRoot({"", "", dir.path()}, user) == dir.at("lightv"));
  CHECK_FALSE(userRunRoot({"", "", dir.at("missing")}, user).ok());
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  CHECK(userRunRoot({"", "", dir.path()}, user).error().message().find("chmod 700") != std::string::npos);
  REQUIRE(::chmod(dir.path().c_str(), 0700) == 0);
  CHECK_FALSE(checkOwnDirectory(dir.path(), user.uid + 1).ok());
  CHECK(checkOwnDirectory(dir.at("missing"), user.uid).ok());
  REQUIRE(::symlink("/", dir.at("link").c_str()) == 0);
  CHECK_FALSE(checkOwnDirectory(dir.at("link"), user.uid).ok());
}

TEST_CASE("rootless limits: the controllers that are missing are named, each once and by v2's name") {
  Limits limits;
  CHECK(missingControllers(limits, {}).empty());
  limits.memoryMax = limits.memoryReservation = 64U << 20;
  limits.ioWeight = 100;
  limits.pidsMax = 5;
  CHECK(missingControllers(limits, {}) == Strings{"io", "memory", "pids"});
  CHECK(missingControllers(limits, {{"/x", false, {"blkio"}}, {"/y", false, {"memory"}}}) == Strings{"pids"});
  CHECK(missingControllers(limits, {{"/x", true, {"io", "memory", "pids"}}}).empty());
  CHECK(checkUserLimits(Limits(), "/lightv").ok());
}

TEST_CASE("rootless cgroups: v2's parent is below the topmost group that is the user's, with what comes down to it") {
  if (::geteuid() != 0) return;
  const lvtest::TempDir dir;
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  fakeGroup(dir.path(), "cpu memory pids io", false);
  fakeGroup(dir.at("user.slice"), "cpu memory pids", false);
  fakeGroup(dir.at("user.slice/user@1.service"), "memory pids", true);
  fakeGroup(dir.at("user.slice/user@1.service/app.scope"), "memory", true);
  CHECK(asNobody([&] {
    const std::string own = "0::/user.slice/user@1.service/app.scope\n";
    const std::string parent = delegatedParent(own, dir.path());
    const std::vector<CgroupHierarchy> found = hierarchiesAt({parent, true}, dir.path());
    return parent == "/user.slice/user@1.service/lightv" && found.size() == 1 && found[0].v2 &&
           found[0].controllers == Strings{"memory", "pids"};
  }));
  // A login's session is its user's by no file of it.
  CHECK(asNobody([&] { return delegatedParent("0::/user.slice\n", dir.path()).empty(); }));
  CHECK(asNobody([&] { return delegatedParent("0::/\n", dir.path()).empty(); }));
  CHECK(asNobody([&] { return hierarchiesAt({"/lightv", true}, dir.path()).empty(); }));
  CHECK(hierarchiesAt("/lightv", dir.path()).size() == 1);
}

TEST_CASE("rootless cgroups: of v1 only the hierarchies where the place is the user's are used") {
  if (::geteuid() != 0) return;
  const lvtest::TempDir dir;
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  for (const char* name : {"memory", "pids", "cpu"}) fakeGroup(dir.at(name), nullptr, false);
  fakeGroup(dir.at("memory/ann"), nullptr, true);
  fakeGroup(dir.at("pids/ann"), nullptr, true);
  fakeGroup(dir.at("cpu/ann"), nullptr, false);
  CHECK(asNobody([&] {
    const std::string parent = delegatedParent("3:memory:/ann\n2:cpu:/ann\n1:pids:/\n0::/\n", dir.path());
    const std::vector<CgroupHierarchy> found = hierarchiesAt({parent, true}, dir.path());
    return parent == "/ann/lightv" && found.size() == 2 && found[0].has("memory") && found[1].has("pids");
  }));
}
