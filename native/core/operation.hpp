// What launch() does inside the new namespaces, as data: plan.cpp decides it, operation_prepare.cpp opens what lies on
// the host, sandbox_builder.cpp carries it out in the child.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/launch.hpp"
#include "core/spec.hpp"
#include "sys/fd.hpp"

namespace lightv {

enum class Step {
  privateTree,  // the host's mounts no longer propagate in either direction
  root,         // attach the image
  overlay,  // a writable layer over it: `source` and options["work"], or a tmpfs with `options` when `source` is empty
  fileSystem,  // a new mount of type `source`
  bind,        // a tree of the host's, opened before
  directory,
  nodes,          // attach the file system that the device nodes come from, in a user namespace
  device,         // a node, or a bind of one where nodes can't be made
  link,           // symbolic link to `source`
  file,           // small file with the content `source` bound over; nothing where the image has no place for it
  sysctl,         // `source` into /proc/sys/`target`; one that is optional may be missing
  hide,           // masked path
  protect,        // read-only path
  seal,           // the mount at `target` becomes read-only
  workDirectory,  // made when missing
  hostname,
  loopback,  // lo goes up
  pivot,     // the root becomes "/" and the host's tree goes
};

struct Operation {
  Step step = Step::directory;
  std::string target;  // in the sandbox
  std::string source;
  std::vector<std::pair<std::string, std::string>> options = {};  // file system parameters
  std::uint64_t attributes = 0;                                   // MOUNT_ATTR_*
  bool optional = false;                                          // a refusal is a warning
  bool recursive = false;                                         // bind: with the mounts below
  bool mapIds = false;      // bind: ids on disk are the sandbox's own when it has a user namespace
  bool isDirectory = true;  // bind: what the target has to be
  bool settled = false;     // bind: prepareOperations() has set the attributes
  bool fresh = false;       // the target's directory is a file system of this plan, and nothing has that name there yet
  mode_t mode = 0;
  dev_t device = 0;
  Fd fd = {};  // opened by prepareOperations()
};

/** What of this machine a plan depends on. */
struct PlanFacts {
  bool overlay = false;              // the root gets a layer of its own
  std::string upper, work;           // of that layer; empty: tmpfs
  std::vector<std::string> cgroups;  // the sandbox's directories
  bool unified = false;              // they are one, of cgroup v2 mounted at /sys/fs/cgroup itself
  std::string hosts, resolv;         // contents; empty: no such file
};

/** The operations, in order. Pure. */
std::vector<Operation> buildPlan(const Spec& spec, const PlanFacts& facts);
/** Of them those for the user's own mounts. Pure. */
std::vector<Operation> planMounts(const Spec& spec);
PlanLine describe(const Operation& operation);

/** Finds out what buildPlan() wants to know. `rootMount` is only looked at. */
PlanFacts gatherFacts(const Spec& spec, const LaunchParts& parts);

/** Whether a mount may go there: EINVAL. */
Status checkTarget(const std::string& target);

/** Opens bind sources and looks devices up, on the host, with the caller's rights. EINVAL for targets that can't be. */
Status prepareOperations(const Spec& spec, std::vector<Operation>& operations);

/** Opens one bind's source. ENOENT and others name it. */
Status prepareBind(Operation& operation);

/**
 * Maps the ids of the root and of every bind that wants it to the user namespace. A bind that can't be mapped is shown
 * with the host's ids, and `warnings` says so, where a user namespace was asked for; else it is an error of
 * kUserNamespaceOp, as the root's always is.
 */
Status mapOperations(const Spec& spec, std::vector<Operation>& operations, int rootMount, int userNamespace,
                     std::vector<std::string>& warnings);

}  // namespace lightv
