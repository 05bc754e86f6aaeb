// Real sandboxes for the engine's tests: a root of their own, a cgroup parent of their own, a busybox image, and a
// destructor that takes everything away also when a test has failed.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "core/cgroup.hpp"
#include "core/cgroup_tree.hpp"
#include "engine/engine.hpp"
#include "lv_builder.hpp"
#include "owned_groups.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace enginetest {

using namespace lightv;

constexpr int kPatienceMs = 60000;

/** Waits until `ready` says so; false when patience is over. */
inline bool eventually(const std::function<bool()>& ready, int timeoutMs = kPatienceMs) {
  const std::uint64_t start = monotonicUs();
  while (!ready()) {
    if (monotonicUs() - start > static_cast<std::uint64_t>(timeoutMs) * 1000) return false;
    ::usleep(2000);
  }
  return true;
}

/** The busybox image, made once in a process; empty when mkfs.erofs or busybox is missing. */
inline const std::string& busyboxImage() {
  static const lvtest::TempDir home;
  static const std::string path = [] {
    const std::string tree = home.at("tree");
    for (const char* name : {"/bin", "/proc", "/sys", "/dev", "/tmp", "/etc", "/data"}) {
      if (!makeDirs(tree + name, 0755)) return std::string();
    }
    if (lvtest::runProgram({"cp", "/bin/busybox", tree + "/bin/busybox"}) != 0) return std::string();
    for (const char* name :
         {"sh", "true", "false", "echo", "cat", "sleep", "head", "seq", "yes", "kill", "dd", "stat"}) {
      if (::symlink("busybox", (tree + "/bin/" + name).c_str()) != 0) return std::string();
    }
    // What a hostile image may have where something is to be mounted.
    for (const auto& [target, name] :
         {std::pair("/proc/sys", "/to-proc"), std::pair("../../../../tmp", "/to-host-tmp")}) {
      if (::symlink(target, (tree + name).c_str()) != 0) return std::string();
    }
    const std::string file = home.at("busybox.lv");
    lvtest::LvOptions options;
    options.config = R"({"Cmd":["/bin/true"],"Env":["PATH=/bin","KIND=image"]})";
    return lvtest::buildLv(tree, file, options).empty() ? std::string() : file;
  }();
  return path;
}

/** False, with the reason on the test's output, where sandboxes can't run. */
inline bool canRun() {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root");
    return false;
  }
  if (busyboxImage().empty()) {
    MESSAGE("skipped: needs mkfs.erofs and busybox-static");
    return false;
  }
  return true;
}

/** A pipe whose reading end the test has. */
class Capture {
 public:
  Capture() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  [[nodiscard]] int in() const { return write_.get(); }
  void closeIn() { write_.reset(); }
  void closeOut() { read_.reset(); }
  /** What has come until `wanted` was in it, the end, or patience was over. */
  std::string readUntil(const std::string& wanted) {
    while (wanted.empty() || text_.find(wanted) == std::string::npos) {
      pollfd entry{read_.get(), POLLIN, 0};
      if (::poll(&entry, 1, kPatienceMs) <= 0) break;
      char buffer[4096];
      const ssize_t got = ::read(read_.get(), buffer, sizeof buffer);
      if (got <= 0) break;
      text_.append(buffer, static_cast<std::size_t>(got));
    }
    return text_;
  }
  std::string readAll() {
    closeIn();
    return readUntil("");
  }

 private:
  Fd read_, write_;
  std::string text_;
};

class Home {
 public:
  Home() : Home("") {}
  /** With a root elsewhere, when it is not empty. */
  explicit Home(const std::string& root)
      : engine_(Paths{root.empty() ? dir_.at("root") : root, dir_.at("run")}),
        parent_("/lightv-test-" + std::to_string(::getpid())) {}
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  ~Home() {
    if (const auto all = engine_.list()) {
      for (const SandboxInfo& info : *all) (void)engine_.remove(info.spec.id, true, true);
    }
    (void)eventually([&] { return monitors().empty(); }, 10000);
    (void)engine_.sweep();
    own_.leave();
    const Cgroup group = Cgroup::open("/", parent_.substr(1));
    for (const std::string& directory : group.directories()) (void)removeCgroup(directory);
  }

  [[nodiscard]] const Engine& engine() const { return engine_; }
  [[nodiscard]] const Paths& paths() const { return engine_.paths(); }
  [[nodiscard]] const std::string& parent() const { return parent_; }

  [[nodiscard]] CreateRequest request(std::vector<std::string> command) const {
    CreateRequest request;
    request.image = busyboxImage();
    request.command = std::move(command);
    request.spec.cgroupParent = parent_;
    request.cgroupParentGiven = true;
    return request;
  }
  [[nodiscard]] CreateRequest shell(const std::string& script) const { return request({"/bin/sh", "-c", script}); }

  /** create(), which must work. */
  [[nodiscard]] std::string make(CreateRequest request) const {
    const Result<std::string> id = engine_.create(std::move(request));
    INFO(id.error().message());
    REQUIRE(id.ok());
    return *id;
  }
  /** create() and start(), which must work. */
  [[nodiscard]] std::string run(CreateRequest request) const {
    std::string id = make(std::move(request));
    const Result<Started> started = engine_.start(id, {});
    INFO(started.error().message());
    REQUIRE(started.ok());
    return id;
  }
  [[nodiscard]] SandboxInfo info(const std::string& id) const {
    const Result<SandboxInfo> info = engine_.info(id);
    INFO(info.error().message());
    REQUIRE(info.ok());
    return *info;
  }
  [[nodiscard]] std::string log(const std::string& id) const {
    const Result<std::string> text = readFile(engine_.logPath(id), 16U << 20);
    return text ? *text : std::string();
  }

  /** Processes in the monitors' group. */
  [[nodiscard]] std::vector<pid_t> monitors() const {
    const auto pids = Cgroup::open(parent_, "monitors").processes();
    return pids ? *pids : std::vector<pid_t>();
  }
  /** Groups of sandboxes that are there. */
  [[nodiscard]] std::vector<std::string> groups() const {
    std::vector<std::string> found;
    const Cgroup parent = Cgroup::open("/", parent_.substr(1));
    for (const std::string& directory : parent.directories()) {
      const auto names = listDir(directory);
      for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const bool isGroup = exists(directory + "/" + name + "/cgroup.procs") && name != "monitors" && name != "caller";
        if (isGroup) found.push_back(directory + "/" + name);
      }
    }
    return found;
  }
  /** Nothing of any run is left but what is meant to stay. */
  [[nodiscard]] bool isQuiet() const {
    const bool quiet = eventually([&] { return monitors().empty() && groups().empty(); });
    for (const pid_t pid : monitors()) MESSAGE("monitor left: " << pid);
    for (const std::string& group : groups()) MESSAGE("group left: " << group);
    return quiet;
  }
  [[nodiscard]] std::vector<std::string> entries(const std::string& path) const {
    const auto names = listDir(path);
    return names ? *names : std::vector<std::string>();
  }

 private:
  lvtest::TempDir dir_;
  Engine engine_;
  std::string parent_;
  OwnedGroups own_{parent_ + "/caller"};
};

}  // namespace enginetest
