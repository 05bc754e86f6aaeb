#include "core/launch.hpp"

#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

#include "core/launching.hpp"
#include "init/init.hpp"

namespace lightv {

Result<Launched> launch(const Spec& spec, const LaunchParts& parts) {
  Launched launched;
  Launching context{.spec = spec, .parts = parts};
  if (Status begun = beginLaunch(context, launched); !begun) return begun.error();
  Result<ChildStory> story = follow(context, launched);
  if (!story) return story.error();
  finishLaunch(context, std::move(*story), launched);
  return launched;
}

Result<WorkloadExit> readExit(const Launched& launched) {
  InitExit exit;
  const ssize_t got = ::recv(launched.status.get(), &exit, sizeof exit, 0);
  if (got == static_cast<ssize_t>(sizeof exit)) return WorkloadExit{exit.exitCode, exit.signal};
  siginfo_t info{};
  // WNOWAIT: the caller still reaps.
  while (::waitid(P_PID, static_cast<id_t>(launched.initPid), &info, WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) return Error{"wait", errno, "pid " + std::to_string(launched.initPid)};
  }
  if (info.si_code == CLD_EXITED) return WorkloadExit{info.si_status, 0};
  return WorkloadExit{128 + info.si_status, info.si_status};
}

}  // namespace lightv
