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
  SlotFiles files{home.at("slots")};
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
  REQUIRE(noteServiceEnd(device.files, {"exit-code", "exited", "3"}));
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
  REQUIRE(noteServiceEnd(device.files, {"signal", "killed", "KILL"}));
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
  const std::string& directory = device.files.directory;
  REQUIRE(lvtest::writeBytes(directory + "/log", ""));
  const Result<std::string> before = readFile(device.files.state());
  const pid_t pid = ::fork();
  if (pid == 0) {
    // The record's directory becomes read-only; the log stays what can be written.
    const bool ready =
        ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
        ::mount((directory + "/log").c_str(), (directory + "/log").c_str(), nullptr, MS_BIND, nullptr) == 0 &&
        ::mount("", directory.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
    if (ready) (void)launchAgent(device.options, {});
    ::_exit(99);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(device.log() == "1 usr no " + std::to_string(pid) + " \n");
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
  REQUIRE(noteServiceEnd(device.files, {"signal", "killed", "SEGV"}));
  makeTree(device.files.tree(Slot::a), "9");
  device.putTrial();
  REQUIRE(noteServiceEnd(device.files, {"success", "exited", "0"}));
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
