// The launcher's executor on real files and processes: trees of shell scripts stand for agents.
#include "slots/launch.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "lv_builder.hpp"
#include "slots/decide.hpp"
#include "slots/tree.hpp"
#include "sys/file.hpp"

using namespace lightv;

namespace {

const std::string kDigest = "sha256:9";

/** A tree whose agent says which it is, what it was told and its pid, and then does `more`. */
void makeTree(const std::string& tree, const std::string& version, const std::string& more = "") {
  REQUIRE(makeDirs(tree + "/bin", 0755));
  REQUIRE(makeDirs(tree + "/lib/lightv", 0755));
  const std::string script = "#!/bin/sh\necho \"" + version +
                             " $LIGHTV_AGENT_SLOT ${LIGHTV_AGENT_TRIAL:-no} $$ $*\" >> " + tree + "/../log\n" + more;
  REQUIRE(lvtest::writeBytes(tree + "/bin/lightvd", script));
  for (const char* part : {"/bin/lightv", "/lib/lightv/node", "/lib/lightv/lightvd.mjs", "/lib/lightv/lightv.node"})
    REQUIRE(lvtest::writeBytes(tree + part, "x"));
  for (const char* part : {"/bin/lightvd", "/bin/lightv", "/lib/lightv/node"})
    REQUIRE(::chmod((tree + part).c_str(), 0755) == 0);
  REQUIRE(lvtest::writeBytes(tree + "/lib/lightv/release.json", R"({"version":")" + version + R"(","architecture":")" +
                                                                    ownArchitecture() + R"(","node":{}})"));
}

struct Ended {
  pid_t pid = 0;
  int status = 0;
};

struct Device {
  lvtest::TempDir home;
  SlotFiles files{home.at("slots"), home.path()};
  LaunchOptions options{files, home.at("slots/usr"), "1"};

  Device() { makeTree(options.usrTree, "1"); }
  void put(const SlotState& state) const { REQUIRE(saveSlotState(files, state)); }
  void putTrial(std::uint32_t deadlineMs = 60'000) const {
    SlotState state{.base = "1"};
    state.trial = Trial{.slot = Slot::a, .version = "9", .digest = kDigest, .deadlineMs = deadlineMs};
    put(state);
  }
  [[nodiscard]] SlotState state() const {
    std::string complaint;
    const std::optional<SlotState> state = loadSlotState(files, complaint);
    REQUIRE(state.has_value());
    return *state;
  }
  [[nodiscard]] Ended launch() const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const std::vector<std::string> arguments = {"--root", "/x"};
      (void)launchAgent(options, arguments);
      ::_exit(99);
    }
    Ended ended{pid};
    REQUIRE(::waitpid(pid, &ended.status, 0) == pid);
    return ended;
  }
  /** As above, with the record's directory read-only; the log stays what can be written. */
  [[nodiscard]] Ended launchReadOnly() const {
    const std::string& directory = files.directory;
    REQUIRE(lvtest::writeBytes(directory + "/log", ""));
    const pid_t pid = ::fork();
    if (pid == 0) {
      const bool ready =
          ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          ::mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
          ::mount((directory + "/log").c_str(), (directory + "/log").c_str(), nullptr, MS_BIND, nullptr) == 0 &&
          ::mount("", directory.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
      if (ready) (void)launchAgent(options, {});
      ::_exit(99);
    }
    Ended ended{pid};
    REQUIRE(::waitpid(pid, &ended.status, 0) == pid);
    return ended;
  }
  [[nodiscard]] std::string log() const { return *readFile(files.directory + "/log"); }
};

}  // namespace

TEST_CASE("agent-launch: becomes the agent, with its arguments and under its own pid") {
  const Device device;
  const Ended ended = device.launch();
  CHECK(WEXITSTATUS(ended.status) == 0);
  CHECK(device.log() == "1 usr no " + std::to_string(ended.pid) + " --root /x\n");
  CHECK_FALSE(exists(device.files.state()));
}

TEST_CASE("agent-launch: a trial runs once, then the committed tree with the reason on record") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9", "exit 3\n");
  device.putTrial();
  const Ended first = device.launch();
  CHECK(WEXITSTATUS(first.status) == 3);
  CHECK(device.log() == "9 a 1 " + std::to_string(first.pid) + " --root /x\n");
  CHECK(device.state().trial->tries.size() == 1);
  REQUIRE(noteServiceEnd(device.options, {"exit-code", "exited", "3"}));
  const Ended second = device.launch();
  CHECK(device.log().ends_with("\n1 usr no " + std::to_string(second.pid) + " --root /x\n"));
  CHECK(device.state().failed.at(0).reason == "it exited with status 3 without having reported");
  CHECK_FALSE(exists(device.files.note()));
}

TEST_CASE("agent-launch: the guard kills a trial that hangs, and says so") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9", "exec sleep 100\n");
  device.putTrial(kMinDeadlineMs);
  const Ended first = device.launch();
  CHECK(WIFSIGNALED(first.status));
  CHECK(WTERMSIG(first.status) == SIGKILL);
  // The service manager sees the signal too, and comes second.
  REQUIRE(noteServiceEnd(device.options, {"signal", "killed", "KILL"}));
  (void)device.launch();
  CHECK(device.state().failed.at(0).reason == "it had not reported after 5 s, and was killed");
}

TEST_CASE("agent-launch: the guard lets a committed agent live, holds nothing of it and is not its child") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9", "exec sleep 100\n");
  device.putTrial(kMinDeadlineMs);
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::dup2(pipe[1], STDOUT_FILENO);
    (void)launchAgent(device.options, {});
    ::_exit(99);
  }
  ::close(pipe[1]);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const std::string children = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
  CHECK(readFile(children)->empty());
  SlotState state = device.state();
  state.committed = Slot::a;
  state.a = ProvenTree{"9", kDigest};
  state.trial.reset();
  device.put(state);
  std::this_thread::sleep_for(std::chrono::milliseconds(kMinDeadlineMs));
  CHECK(::kill(pid, 0) == 0);
  (void)::kill(pid, SIGTERM);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WTERMSIG(status) == SIGTERM);
  char byte = 0;
  CHECK(::read(pipe[0], &byte, 1) == 0);  // all ends of its output are closed
  ::close(pipe[0]);
}

TEST_CASE("agent-launch: a program that can't be executed is no trial, and the next one runs at once") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9");
  REQUIRE(lvtest::writeBytes(device.files.tree(Slot::a) + "/bin/lightvd", "#!/no/such/interpreter\n"));
  REQUIRE(::chmod((device.files.tree(Slot::a) + "/bin/lightvd").c_str(), 0755) == 0);
  device.putTrial();
  const Ended ended = device.launch();
  CHECK(device.log() == "1 usr no " + std::to_string(ended.pid) + " --root /x\n");
  CHECK(device.state().failed.at(0).reason.starts_with("execute: "));
}

TEST_CASE("agent-launch: a trial that can't be recorded does not happen") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9");
  device.putTrial();
  const Result<std::string> before = readFile(device.files.state());
  const Ended ended = device.launchReadOnly();
  CHECK(WEXITSTATUS(ended.status) == 0);
  CHECK(device.log() == "1 usr no " + std::to_string(ended.pid) + " \n");
  CHECK(*readFile(device.files.state()) == *before);
}

TEST_CASE("agent-launch: an installed tree that can't say its version is no reason to leave a whole slot") {
  Device device;
  makeTree(device.files.tree(Slot::a), "9");
  SlotState state{.base = "1", .committed = Slot::a};
  state.a = ProvenTree{"9", kDigest};
  device.put(state);
  device.options.base.clear();
  (void)device.launch();
  CHECK(device.log().starts_with("9 a no "));
  CHECK(device.state() == state);
}

TEST_CASE("agent-launch: a torn record counts as none, and is kept aside") {
  const Device device;
  REQUIRE(lvtest::writeBytes(device.files.state(), R"({"base":"1","comm)"));
  (void)device.launch();
  CHECK(device.log().starts_with("1 usr no "));
  CHECK_FALSE(exists(device.files.state()));
  CHECK(exists(device.files.state() + ".damaged"));
}

TEST_CASE("agent-launch: how a service ended, in words; without a trial of this boot it is not noted") {
  CHECK(describeEnd({"watchdog", "dumped", "ABRT"}) == "it hung, and the service manager's watchdog killed it");
  CHECK(describeEnd({"timeout", "killed", "TERM"}) == "it was not ready in time, and the service manager killed it");
  CHECK(describeEnd({"oom-kill", "killed", "KILL"}) == "the kernel killed it for want of memory");
  CHECK(describeEnd({"signal", "killed", "SEGV"}) == "signal SEGV ended it before it had reported");
  CHECK(describeEnd({"success", "exited", "0"}) == "it exited with status 0 without having reported");
  CHECK(describeEnd({}) == "it ended without having reported");
  const Device device;
  REQUIRE(noteServiceEnd(device.options, {"signal", "killed", "SEGV"}));
  makeTree(device.files.tree(Slot::a), "9");
  device.putTrial();
  REQUIRE(noteServiceEnd(device.options, {"success", "exited", "0"}));
  CHECK_FALSE(exists(device.files.note()));
}

TEST_CASE("agent-launch: what a tree lacks is named") {
  const Device device;
  const std::string tree = device.options.usrTree;
  CHECK_FALSE(flawOfTree(tree).has_value());
  REQUIRE(::unlink((tree + "/lib/lightv/lightv.node").c_str()) == 0);
  CHECK(flawOfTree(tree)->find("lightv.node is missing") != std::string::npos);
  REQUIRE(lvtest::writeBytes(tree + "/lib/lightv/release.json", R"({"version":"1","architecture":"mips"})"));
  CHECK(flawOfTree(tree)->find("it is for mips") != std::string::npos);
  CHECK(flawOfTree(device.home.at("nowhere")).has_value());
}

namespace {

const ServiceEnd kCrash{"signal", "killed", "SEGV"};

/** An agent that ended as the service manager says, `times` times. */
void end(const Device& device, const ServiceEnd& how, std::uint32_t times) {
  for (std::uint32_t n = 0; n < times; ++n) REQUIRE(noteServiceEnd(device.options, how));
}

SlotState committedToA() {
  SlotState state{.base = "1", .committed = Slot::a};
  state.a = ProvenTree{"9", kDigest, 0, true};
  return state;
}

}  // namespace

TEST_CASE("agent-launch: a version in force that ends again and again makes way, and is on record as failed") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9", "kill -SEGV $$\n");
  device.put(committedToA());
  for (std::uint32_t n = 0; n < kMaxEnds; ++n) {
    CHECK(WTERMSIG(device.launch().status) == SIGSEGV);
    end(device, kCrash, 1);
  }
  CHECK(WEXITSTATUS(device.launch().status) == 0);
  CHECK(device.log().find("\n1 usr no ") != std::string::npos);
  const SlotState state = device.state();
  CHECK(state.committed == Slot::usr);
  REQUIRE(state.failed.size() == 1);
  CHECK(state.failed[0].digest == kDigest);
  CHECK(state.failed[0].wasTried);
  CHECK_FALSE(state.failed[0].told);
  CHECK(state.failed[0].reason.find("5 times in a row") != std::string::npos);
  CHECK(state.failed[0].reason.find("signal SEGV ended it") != std::string::npos);
}

TEST_CASE("agent-launch: where the record can't be written a version that crashes makes way all the same") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9", "kill -SEGV $$\n");
  device.put(committedToA());
  end(device, kCrash, kMaxEnds);
  const Result<std::string> before = readFile(device.files.state());
  CHECK(WEXITSTATUS(device.launchReadOnly().status) == 0);
  CHECK(*readFile(device.files.state()) == *before);
  CHECK(device.log().starts_with("1 usr no "));
}

TEST_CASE("agent-launch: stops, and what is not the version's fault, never count") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9");
  device.put(committedToA());
  for (const ServiceEnd& how :
       {ServiceEnd{"success", "exited", "0"}, ServiceEnd{"success", "killed", "TERM"}, ServiceEnd{"", "killed", "TERM"},
        ServiceEnd{"exit-code", "exited", "2"}, ServiceEnd{"exit-code", "exited", "75"},
        ServiceEnd{"exit-code", "exited", "226"}, ServiceEnd{"resources", "", ""}, ServiceEnd{}}) {
    INFO(how.result << " " << how.code << " " << how.status);
    CHECK_FALSE(isCrash(how));
    end(device, how, kMaxEnds);
  }
  CHECK_FALSE(exists(device.files.ends()));
  for (const ServiceEnd& how : {kCrash, ServiceEnd{"exit-code", "exited", "1"},
                                ServiceEnd{"exit-code", "exited", "127"}, ServiceEnd{"watchdog", "dumped", "ABRT"},
                                ServiceEnd{"timeout", "killed", "TERM"}, ServiceEnd{"protocol", "exited", "0"},
                                ServiceEnd{"", "killed", "KILL"}, ServiceEnd{"core-dump", "dumped", "ABRT"}}) {
    INFO(how.result << " " << how.code << " " << how.status);
    CHECK(isCrash(how));
  }
}

TEST_CASE("agent-launch: a report that was acknowledged, another boot and a long life end the row") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9");
  device.put(committedToA());
  end(device, kCrash, kMaxEnds - 1);
  REQUIRE(::unlink(device.files.ends().c_str()) == 0);  // what an agent does that was heard
  end(device, kCrash, 1);
  (void)device.launch();
  CHECK(device.log().starts_with("9 a no "));

  const Result<std::string> boot = currentBootId();
  REQUIRE(boot.ok());
  CHECK(loadEnds(device.files, *boot).a == 1);
  CHECK(loadEnds(device.files, "another boot") == AgentEnds{.bootId = "another boot"});
  const AgentEnds four{.bootId = *boot, .atMs = 1000, .a = 4};
  CHECK(withEnd(four, Slot::a, "", 1000 + kSameRowMs).a == 5);
  CHECK(withEnd(four, Slot::a, "", 1001 + kSameRowMs).a == 1);
  REQUIRE(lvtest::writeBytes(device.files.ends(), "garbage"));
  CHECK(loadEnds(device.files, *boot) == AgentEnds{.bootId = *boot});
}

TEST_CASE("agent-launch: a broken installed agent and a version that was given up have their turns") {
  const Device device;
  makeTree(device.files.tree(Slot::a), "9");
  SlotState state = committedToA();
  condemn(state, Slot::a, "it crashed", "then");
  device.put(state);
  end(device, kCrash, kMaxEnds);
  (void)device.launch();
  CHECK(device.log().starts_with("9 a no "));
  CHECK(device.state() == state);
  // Without anything that could be executed in /usr the other one is the next at once.
  REQUIRE(::unlink(device.files.ends().c_str()) == 0);
  REQUIRE(::unlink((device.options.usrTree + "/bin/lightvd").c_str()) == 0);
  CHECK(WEXITSTATUS(device.launch().status) == 0);
  CHECK(device.log().find("\n9 a no ") != std::string::npos);
}
