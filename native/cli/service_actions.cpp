#include "cli/service_actions.hpp"

#include <ctime>

#include "cli/apparmor_load.hpp"
#include "cli/output.hpp"
#include "cli/shutdown.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/spawn_talk.hpp"
#include "engine/spawner.hpp"
#include "engine/stop_all.hpp"
#include "sys/clock_floor.hpp"
#include "sys/file.hpp"
#include "sys/listen_fds.hpp"
#include "sys/notify.hpp"
#include "sys/socket.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {
namespace {

int delegate(const Engine& engine, const Parsed& parsed) {
  const Result<std::string> membership = readFile("/proc/self/cgroup");
  if (!membership) return fail(parsed, membership.error());
  const Result<std::string> unit = unitCgroup(*membership);
  if (!unit) return fail(parsed, unit.error());
  std::vector<std::string> warnings;
  const Status delegated = delegateCgroup(engine.paths(), *unit, warnings);
  for (const std::string& warning : warnings) complain("system", warning);
  return delegated ? 0 : fail(parsed, delegated.error());
}

int stopAll(const Engine& engine, const Parsed& parsed) {
  if (parsed.on(kIfShuttingDown.name) && !isShuttingDown()) return 0;
  const Result<std::vector<Stopped>> stopped = lightv::stopAll(engine);
  if (!stopped) return fail(parsed, stopped.error());
  int code = 0;
  for (const Stopped& one : *stopped) {
    if (one.status) print("Stopped sandbox: " + one.name + "\n");
    if (!one.status) code = fail(parsed, one.status.error().wrap("stop " + one.name));
  }
  return code;
}

std::optional<std::int64_t> storedFloor(const Paths& paths) {
  constexpr std::size_t kLongest = 64;
  const Result<std::string> text = readFile(paths.root + "/agent/clock", kLongest);
  const std::optional<WallTime> time = text ? parseTime(trim(*text)) : std::nullopt;
  return time ? std::optional(time->seconds) : std::nullopt;
}

/** Whatever goes wrong, the boot goes on. */
int clock(const Engine& engine, const Parsed&) {
  const std::optional<std::int64_t> step =
      clockStep(wallNow().seconds, buildTimeSeconds(), storedFloor(engine.paths()));
  if (!step) return 0;
  const timespec time{*step, 0};
  const bool set = ::clock_settime(CLOCK_REALTIME, &time) == 0;
  complain("system", (set ? "the clock was behind; set forward to " : "the clock is behind and can't be set to ") +
                         formatTime(WallTime{*step, 0}));
  return 0;
}

/** Never fails: a wall that is missing is no reason to run nothing. `lightv info` tells it too. */
int appArmor(const Engine&, const Parsed&) {
  const std::string problem = loadAppArmor(kAppArmorFile);
  if (!problem.empty()) complain("system", problem);
  return 0;
}

int spawner(const Engine& engine, const Parsed& parsed) {
  Fd listener = passedListener();
  if (!listener) {
    if (Status made = makeDirs(engine.paths().run); !made) return fail(parsed, made.error());
    Result<Fd> own = listenSeqpacket(spawnSocket(engine.paths()));
    if (!own) return fail(parsed, own.error());
    listener = std::move(*own);
  }
  (void)notifyService("READY=1");
  const Status served = serveSpawner(listener.get());
  return served ? 0 : fail(parsed, served.error());
}

constexpr ServiceAction kActions[] = {
    {"spawner", spawner}, {"delegate", delegate}, {"stop-all", stopAll}, {"clock", clock}, {"apparmor", appArmor}};

}  // namespace

const ServiceAction* findServiceAction(std::string_view name) {
  for (const ServiceAction& action : kActions) {
    if (action.name == name) return &action;
  }
  return nullptr;
}

}  // namespace lightv::cli
