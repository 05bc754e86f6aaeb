// What launch() and park() share: the child from clone to its last stretch, and what its parent does meanwhile.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/launch.hpp"
#include "core/operation.hpp"
#include "core/process.hpp"
#include "core/report.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"
#include "sys/start_area.hpp"

namespace lightv {

/** How far the child goes by itself. */
enum class Until {
  running,  // executes
  parked,   // the whole sandbox stands, and the workload's process waits for its order
};

/** All that the child uses, laid out before clone: until it is parked it allocates nothing. */
struct Launching {
  const Spec& spec;
  const LaunchParts& parts;
  Until until = Until::running;
  std::vector<Operation> operations;
  Process process;
  UserIds user;  // whom the Spec means; a parked process is root without groups until its order comes
  std::vector<Fd> procs;
  Fd cgroup;
  Fd reportParent, reportChild;
  Fd statusParent, statusChild;
  bool holdsChild = false;  // it waits for more than its ids
  int slave = -1;           // the terminal, in the child
  StartArea startArea = StartArea::find();

  [[nodiscard]] bool hasUserNamespace() const { return spec.userns != UserNamespace::host; }
  [[nodiscard]] bool isRootless() const { return spec.userns == UserNamespace::rootless; }
};

/**
 * Lays everything out, maps its user and clones. Gives the pid of the sandbox's PID 1, whose pidfd is in `launched`; on
 * failure nothing is left. The child is followed with follow().
 */
Status beginLaunch(Launching& launch, Launched& launched);

/** Does what is to be done meanwhile, listens until it has executed or is parked; on failure the child is gone. */
Result<ChildStory> follow(Launching& launch, Launched& launched);

/** What the story and the sockets say goes into `launched`. */
void finishLaunch(Launching& launch, ChildStory story, Launched& launched);

}  // namespace lightv
