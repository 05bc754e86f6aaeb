#include "core/park.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/launching.hpp"
#include "core/operation.hpp"
#include "core/order.hpp"
#include "core/process.hpp"
#include "core/root_fs.hpp"
#include "core/user_namespace.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"

namespace lightv {
namespace {

/** By its pid: the process itself has given up the right to raise them. As in a start from nothing, a refusal is a
 * warning. */
void setLimits(Parked& parked, const Process& process, const Order& order) {
  const pid_t pid = parked.launched.workloadPid;
  for (const ResourceLimit& limit : order.limits) {
    const rlimit64 value{limit.soft, limit.hard};
    (void)::prlimit64(pid, static_cast<__rlimit_resource>(limit.resource), &value, nullptr);
  }
  for (const Process::Limit& limit : process.limits) {
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    if (::prlimit64(pid, resource, &limit.value, nullptr) == 0) continue;
    const int err = errno;
    rlimit64 now{};
    (void)::prlimit64(pid, resource, nullptr, &now);
    now.rlim_cur = std::min(limit.value.rlim_cur, now.rlim_max);
    (void)::prlimit64(pid, resource, &now, nullptr);
    parked.launched.warnings.push_back(Error{"ulimit", err, limit.name}.message());
  }
}

/** PID 1's too, as in a start from nothing: its end is the sandbox's. */
void adjustOomScore(Parked& parked, std::int32_t adjustment) {
  if (adjustment == 0) return;
  Status status;
  for (const pid_t pid : {parked.launched.initPid, parked.launched.workloadPid}) {
    const std::string file = "/proc/" + std::to_string(pid) + "/oom_score_adj";
    if (Status written = writeControlFile(file, std::to_string(adjustment)); !written) status = written;
  }
  if (!status) parked.launched.warnings.push_back(status.error().wrap("oom_score_adj").message());
}

/**
 * One of our own small files, which lie in the sandbox's /dev (SandboxBuilder::bindFile): what else has that path is
 * the image's, or another's whose file is mounted there, and stays.
 */
Status rewrite(const RootFs& root, const char* path, const std::string& content) {
  const Fd file(root.open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK));
  const Fd dev(root.open("/dev", O_PATH | O_DIRECTORY | O_NOFOLLOW));
  struct stat info {};
  struct stat own {};
  if (!file || !dev || ::fstat(file.get(), &info) < 0 || ::fstat(dev.get(), &own) < 0) return {};
  if (info.st_dev != own.st_dev) return {};
  if (::ftruncate(file.get(), 0) < 0) return Error{"truncate", errno, path};
  return writeAll(file.get(), content, path);
}

Result<Process> orderedProcess(const Spec& spec, const UserIds& user) {
  Spec unfiltered = spec;
  unfiltered.seccomp = false;  // it is in force already: not compiled once more
  return prepareProcess(unfiltered, user, {});
}

}  // namespace

Status renameHost(const Parked& parked, const Spec& spec) {
  const std::string proc = "/proc/" + std::to_string(parked.launched.initPid);
  const Result<Fd> own = openFile("/proc/self/ns/uts", O_RDONLY);
  const Result<Fd> inside = openFile(proc + "/ns/uts", O_RDONLY);
  const Result<Fd> root = openFile(proc + "/root", O_PATH | O_DIRECTORY);
  if (!own || !inside || !root) return (!own ? own : !inside ? inside : root).error();
  if (::setns(inside->get(), CLONE_NEWUTS) < 0) return Error{"setns", errno, "uts"};
  const bool named = ::sethostname(spec.hostname.data(), spec.hostname.size()) == 0;
  const int err = errno;
  if (::setns(own->get(), CLONE_NEWUTS) < 0) return Error{"setns", errno, "uts"};
  if (!named) return Error{"hostname", err, spec.hostname};
  const RootFs files(root->get());
  if (Status written = rewrite(files, "/etc/hostname", spec.hostname + "\n"); !written) return written;
  return rewrite(files, "/etc/hosts", gatherFacts(spec, {}).hosts);
}

Result<Parked> park(const Spec& spec, const LaunchParts& parts) {
  Parked parked;
  Launching context{.spec = spec, .parts = parts, .until = Until::parked};
  if (Status begun = beginLaunch(context, parked.launched); !begun) return begun.error();
  Result<ChildStory> story = follow(context, parked.launched);
  if (!story) return story.error();
  finishLaunch(context, std::move(*story), parked.launched);
  parked.gate = std::move(context.reportParent);
  parked.user = std::move(context.user);
  if (context.hasUserNamespace()) parked.idBase = spec.idBase;
  return parked;
}

void rehearseOrder(const Parked& parked, const Spec& spec) {
  if (const Result<Process> process = orderedProcess(spec, parked.user)) (void)encodeOrder(*process);
}

Status letGo(Parked& parked, const Spec& spec, const Order& order) {
  Result<Process> process = orderedProcess(spec, order.user);
  if (!process) return process.error();
  const std::string bytes = encodeOrder(*process);
  if (bytes.size() > kMaxMessageBytes) return Error{"order", EMSGSIZE, "arguments and environment"};
  setLimits(parked, *process, order);
  adjustOomScore(parked, spec.oomScoreAdj);
  if (parked.idBase != 0) giveStreams({.in = order.in}, parked.idBase, order.user.uid);
  return sendMessage(parked.gate.get(), bytes, &order.in, order.in >= 0 ? 1 : 0);
}

Result<Launched> awaitExecution(Parked& parked) {
  ChildStory story = listenToChild(parked.gate.get());
  if (story.error) return *story.error;
  if (!story.ready) {
    return Error{"start sandbox", 0, "its first process was killed while it set up",
                 "a memory limit of a few megabytes is too small to start anything"};
  }
  for (std::string& warning : story.warnings) parked.launched.warnings.push_back(std::move(warning));
  return std::move(parked.launched);
}

}  // namespace lightv
