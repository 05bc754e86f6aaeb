// A root with busybox in a temporary directory, and sandboxes started from it that leave nothing behind.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "core/cgroup.hpp"
#include "core/launch.hpp"

namespace lightv::test {

/** A directory that goes with the object, and what was mounted nowhere else. */
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/** What a finished sandbox left: how it ended and what it wrote. */
struct Outcome {
  bool started = false;
  Error error;  // when it did not start
  WorkloadExit exit;
  std::string output;  // stdout and stderr
  std::vector<std::string> warnings;
};

/** One image root, and a cgroup parent of this process's own; the destructor removes both. */
class SandboxFixture {
 public:
  SandboxFixture();
  ~SandboxFixture();
  SandboxFixture(const SandboxFixture&) = delete;
  SandboxFixture& operator=(const SandboxFixture&) = delete;

  /** `sh -c script` with the defaults that create() would fill. */
  [[nodiscard]] Spec shell(const std::string& script) const;
  [[nodiscard]] Spec command(std::vector<std::string> args) const;
  /** Starts, waits for the end, collects the output. */
  Outcome run(const Spec& spec);
  Outcome run(const Spec& spec, Cgroup& cgroup);
  /** A detached bind of the root: what native/image gives for an image. */
  [[nodiscard]] Fd rootMount() const;
  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] const TempDir& dir() const { return dir_; }
  [[nodiscard]] const std::string& cgroupParent() const { return cgroupParent_; }
  [[nodiscard]] Cgroup makeCgroup(const Spec& spec) const;

 private:
  TempDir dir_;
  std::string root_;
  std::string cgroupParent_;
};

/** A started sandbox: killed, reaped and its cgroup removed with the object. */
class Running {
 public:
  Running(SandboxFixture& fixture, const Spec& spec, const Stdio& stdio = {});
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  Cgroup cgroup;
  Result<Launched> launched;

 private:
  Fd root_;
};

/** Waits for a child: its exit code, 128+n after a signal. */
int waitFor(pid_t pid);
/** Reads until end of file. */
std::string readAll(int fd);
/** Mounts that this process sees. */
std::size_t countMounts();

}  // namespace lightv::test
