#include "monitor/monitor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <vector>

#include "core/cgroup_place.hpp"
#include "monitor/config_file.hpp"
#include "monitor/life.hpp"
#include "monitor/lock.hpp"
#include "rootless/enter.hpp"
#include "sys/fds.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/start_area.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/** Signals come by signalfd, and those of the caller's terminal or of broken pipes must not end a monitor. */
void prepareSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU}) {
    sigaddset(&set, signal);
  }
  sigprocmask(SIG_SETMASK, &set, nullptr);
}

/** A fork has the caller's command line and environment, which would be there to read as long as the sandbox lives. */
void forgetCaller(const std::string& title) {
  std::vector<std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    if (isMonitorVariable(*entry)) kept.emplace_back(*entry);
  }
  clearenv();
  for (const std::string& entry : kept) {
    const std::size_t equals = entry.find('=');
    (void)setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
  }
  const StartArea area = StartArea::find();
  area.setTitle(title);
  area.wipeEnvironment();
}

/** The starter has given up, or is dead: what it asked for is not wanted any more. */
bool isAbandoned(int socket) {
  pollfd entry{socket, 0, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
}

int refuse(int socket, const Error& error) {
  (void)sendMessage(socket, errorAnswer(error));
  return 1;
}

/** The monitor proper, in a session of its own. */
int live(const Paths& paths, const std::string& id, Fd socket) {
  Result<Message> message = receiveMessage(socket.get());
  if (!message || message->endOfFile) return 1;
  const Result<ControlRequest> request = parseRequest(message->text);
  if (!request) return refuse(socket.get(), request.error());
  if (request->op != ControlOp::start) return refuse(socket.get(), Error{"start", EPROTO, id});
  const SandboxFiles files(paths, id);
  Result<Fd> lock = lockForMonitor(files);
  if (!lock) return refuse(socket.get(), lock.error());
  Result<Spec> spec = readSpec(files.config());
  if (!spec) return refuse(socket.get(), spec.error());
  if (isAbandoned(socket.get())) return 1;
  // First of all: what it makes, namespaces before all, is charged to its group, which may be the agent's.
  if (Status joined = ensureMonitorGroup(placeOf(*spec)); !joined) return refuse(socket.get(), joined.error());
  (void)fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  Life life(files, std::move(*spec));
  if (!life.begin(std::move(socket), std::move(*message), *request, std::move(*lock))) return 1;
  life.serve();
  return 0;
}

/** With the request read first: what is closed with something unread in it is reset, and the answer with it. */
int refuseUnread(const Error& error) {
  (void)receiveMessage(kStartSocket);
  return refuse(kStartSocket, error);
}

/** Comes back only when it can't. */
int goInside(const Paths& paths, const std::string& id) {
  if (Status entered = enterUserNamespace(); !entered) return refuseUnread(entered.error());
  std::vector<std::string> words{"lightv", "--root", paths.root, "--runroot", paths.run, "__monitor", "--inside", id};
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  (void)execv("/proc/self/exe", argv.data());
  return refuseUnread(Error{"execute", errno, "lightv in the user namespace"});
}

}  // namespace

bool keepOnlyStartSocket(int socket) {
  // Above the descriptors that are about to be replaced.
  const int high = fcntl(socket, F_DUPFD, kStartSocket + 1);
  if (high < 0 || dup2(high, kStartSocket) < 0) return false;
  // Without O_CLOEXEC: it may be one of the three itself. Else it goes with the rest.
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < kStartSocket; fd++) {
    if (dup2(null, fd) < 0) return false;
  }
  closeSpan(kStartSocket + 1, ~0U);
  return null >= 0;
}

bool isMonitorVariable(std::string_view entry) {
  return entry.starts_with("PATH=") || (entry.starts_with("LIGHTV_") && entry.find('=') != std::string_view::npos);
}

void settleAsMonitor(const std::string& title) {
  prepareSignals();
  (void)prctl(PR_SET_NAME, "lightv-monitor");
  forgetCaller(title);
  (void)prctl(PR_SET_PDEATHSIG, 0);
  umask(022);
}

namespace {

/** The monitor's own process, in the session that its parent has opened. */
int begin(const Paths& paths, const std::string& id) {
  settleAsMonitor("lightv-monitor " + id);
  if (chdir("/") != 0) return 1;
  return live(paths, id, Fd(kStartSocket));
}

}  // namespace

// Whoever called shall have no child to wait for, and a session's leader could get a terminal by opening one.
int monitorMain(const Paths& paths, const std::string& id, bool inside) {
  if (paths.rootless && !inside) return goInside(paths, id);
  prepareSignals();
  if (setsid() < 0 && errno != EPERM) return 1;
  const pid_t child = fork();
  if (child != 0) return child < 0 ? 1 : 0;
  return begin(paths, id);
}

void forkMonitorAndLeave(const Paths& paths, const std::string& id, int socket) {
  if (setsid() < 0) _exit(1);
  const long monitor = sys::cloneFlags(SIGCHLD);
  if (monitor != 0) _exit(monitor < 0 ? 1 : 0);
  _exit(keepOnlyStartSocket(socket) ? begin(paths, id) : 1);
}

}  // namespace lightv
