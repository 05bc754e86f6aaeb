// From a Spec to a running process: plan (pure), then launch (does it). Called by the monitor and, later, the pool.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cgroup.hpp"
#include "core/spec.hpp"
#include "sys/fd.hpp"

namespace lightv {

class Forerunner;

struct TerminalSize {
  std::uint32_t rows = 0, columns = 0;  // 0: not known; below 65,536
};

/** The workload's three standard streams, or what its terminal is like when the Spec asks for one. */
struct Stdio {
  int in = -1, out = -1, err = -1;  // not terminal: given to the workload as they are; -1: /dev/null
  TerminalSize size = {};           // terminal: there before the first instruction
};

/** What the sandbox's PID 1 tells about the workload, the moment it ends and before the namespaces go. */
struct WorkloadExit {
  int exitCode = 0;  // 128 + signal when a signal ended it
  int signal = 0;
};

/** A sandbox that has been started. Owns its descriptors; destroying it without wait() leaves the processes. */
struct Launched {
  pid_t initPid = -1;      // PID 1 of the sandbox, a child of the caller
  pid_t workloadPid = -1;  // the workload as the host sees it
  Fd initPidfd;
  Fd ptyMaster;  // only with spec.terminal
  Fd status;     // readable when the workload has ended, or at end of file when PID 1 is gone: then readExit()
  std::vector<std::string> warnings;  // limits and features that this kernel did not give
};

/** Where launch() finds the parts that others made. */
struct LaunchParts {
  int rootMount = -1;    // detached mount of the image (native/image), read-only; launch() attaches it: one start each
  std::string upperDir;  // with !spec.readOnlyRoot: where the writable layer lives, made by the caller
  std::string workDir;
  bool userXattr = false;    // that layer was made in a user namespace: overlayfs.rst, "User xattr"
  Cgroup* cgroup = nullptr;  // created and limited already
  Stdio stdio;
  Forerunner* forerunner = nullptr;  // begun with forerunnerFlags() already; null: launch() has its own
  /** What there is to do while the child sets itself up; when it fails, so does the start. May be null. */
  std::function<Status()> meanwhile = nullptr;
};

/** The namespaces of `spec` that a Forerunner makes. */
std::uint64_t forerunnerFlags(const Spec& spec);

/**
 * Starts the sandbox and returns when the workload's execve has succeeded.
 * Errors carry in `err` ENOENT when the command was not found (exit code 127) and EACCES/ENOEXEC when it can't be
 * invoked (126), with op "exec"; every other op is the engine's (125). On failure nothing is left: no process, no
 * mount. An error with op kUserNamespaceOp (core/user_namespace.hpp) is about spec.userns: another start may do
 * without.
 */
Result<Launched> launch(const Spec& spec, const LaunchParts& parts);

/** Reads what `status` says. Blocks until there is something. End of file: PID 1 was killed, then waitpid tells. */
Result<WorkloadExit> readExit(const Launched& launched);

/** One operation of the plan, in order of execution, as `lightv plan` prints it. */
struct PlanLine {
  std::string op;
  std::string detail;
};
/** What launch() would do. Pure: touches nothing. */
std::vector<PlanLine> plan(const Spec& spec);

/** A program to run in a sandbox that exists: `lightv exec`. */
struct ExecSpec {
  std::vector<std::string> args, env;  // env is the final one
  std::string cwd;
  std::string user;
  bool terminal = false;
  Stdio stdio;
  bool privileged = false;  // all capabilities, no seccomp
};

struct ExecHandle {
  pid_t pid = -1;  // a child of the caller (in the sandbox's PID namespace): waitpid(pid) gives the program's status
  Fd ptyMaster;
};

/**
 * Joins the namespaces and the cgroup of the sandbox whose PID 1 is `initPid`, drops everything to what `spec` allows
 * and executes. Same error convention as launch(). The order of joining and dropping is that of docs/security.md
 * (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626).
 */
Result<ExecHandle> execInside(const Spec& spec, pid_t initPid, const Cgroup& cgroup, const ExecSpec& exec);

}  // namespace lightv
