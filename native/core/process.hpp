// The last stretch of every workload, started or joined: streams, limits, identity, capabilities, filter, execve.
#pragma once

#include <linux/filter.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "core/apparmor.hpp"
#include "core/capabilities.hpp"
#include "core/landlock.hpp"
#include "core/launch.hpp"
#include "core/report.hpp"
#include "core/spec.hpp"
#include "core/users.hpp"

namespace lightv {

/** Everything that execution needs, laid out before clone so that nothing is allocated after it. */
struct Process {
  Process() = default;
  // argv and envp point into args and env: a copy's would point into the original.
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  Process(Process&&) = default;
  Process& operator=(Process&&) = default;
  ~Process() = default;

  std::vector<std::string> args, env, candidates;  // candidates: the paths to try, in order
  std::vector<char*> argv, envp;                   // into args and env, with the closing null
  std::string cwd;
  UserIds user;
  CapabilitySet capabilities = 0;
  bool noNewPrivileges = true;
  sock_fprog filter{};  // len 0: none
  unsigned filterFlags = 0;
  LandlockRules landlock;
  AppArmorChange appArmor;
  std::vector<sock_filter> ownFilter;  // where a profile of the user's own lies; the default is the program's
  struct Limit {
    int resource = 0;
    rlimit64 value{};
    std::string name;
  };
  std::vector<Limit> limits;
  std::int32_t oomScoreAdj = 0;
  bool terminal = false;
  Stdio stdio;
  std::string keyring;  // the session keyring's name
};

/** `user` has been looked up already. EINVAL names what is wrong with a limit or a capability. */
Result<Process> prepareProcess(const Spec& spec, const UserIds& user, const Stdio& stdio);
/** The same for `exec`: `spec` gives what `exec` leaves open. */
Result<Process> prepareExec(const Spec& spec, const ExecSpec& exec, const UserIds& user, const Stdio& stdio);

/** Points argv and envp into args and env. */
void layOut(Process& process);

/** `--ulimit`'s name as RLIMIT_*, -1 when there is none. */
int rlimitNumber(const std::string& name);

/** Makes the pty in the devpts at /dev/pts, gives its master away and returns the slave. Fails through `reporter`. */
int openTerminal(const Process& process, const Reporter& reporter);

/**
 * In the child, inside the sandbox, with all privileges still there: gives them up in the order of docs/security.md
 * and executes. `slave` is openTerminal()'s, or -1. Never returns.
 */
[[noreturn]] void runProcess(const Process& process, int slave, const Reporter& reporter);

/**
 * The same in two halves, for a sandbox that is made ahead: gives up all that `process` is not to have, tells that it
 * is parked, and waits for an order (core/order.hpp) with what only the request says: program, environment, directory,
 * user. Its user is root until then, with no capability and no system call that the workload will not have.
 */
[[noreturn]] void parkProcess(Process& process, const Reporter& reporter);

}  // namespace lightv
