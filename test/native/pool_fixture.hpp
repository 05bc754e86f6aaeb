// A keeper in a process of its own, over the engine's fixture.
#pragma once

#include <sys/prctl.h>

#include <map>

#include "engine/names.hpp"
#include "engine/pool_talk.hpp"
#include "engine_fixture.hpp"
#include "pool/keeper.hpp"
#include "pool/status.hpp"
#include "sys/socket.hpp"

namespace pooltest {

using namespace enginetest;

/** The busybox image in the home's store, by the name that comes back. */
inline std::string storeImage(const Home& home) {
  const Result<ImageInfo> info = readImageFile(busyboxImage());
  REQUIRE(info.ok());
  const ImageStore store = home.engine().images();
  REQUIRE(makeDirs(home.paths().root + "/images").ok());
  REQUIRE(lvtest::runProgram({"cp", busyboxImage(), store.imagePath(info->digest)}) == 0);
  REQUIRE(store.tag(info->digest, "busybox:latest").ok());
  return info->digest;
}

class Pool {
 public:
  explicit Pool(const Home& home, unsigned warm = 1) : Pool(home, warm, warm) {}
  /** Asks for `warm`, and waits for `ready`. */
  Pool(const Home& home, unsigned warm, unsigned ready) : home_(home), digest_(storeImage(home)) {
    start(warm);
    REQUIRE(awaitReady(ready));
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { end(SIGTERM); }

  void start(unsigned ready) {
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    KeeperOptions options{.cgroupParent = home_.parent(), .most = 16};
    options.warm["busybox"] = ready;
    Keeper keeper(home_.engine(), std::move(options));
    ::_exit(keeper.open() && keeper.serve() ? 0 : 1);
  }
  void end(int signal) {
    if (pid_ <= 0) return;
    (void)::kill(pid_, signal);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  [[nodiscard]] Result<PoolStatus> ask(const KeeperRequest& request = {}) const {
    const Result<Fd> connection = tryConnectSeqpacket(keeperSocket(home_.paths()));
    if (!connection) return connection.error();
    if (Status sent = sendMessage(connection->get(), toJson(request)); !sent) return sent.error();
    const Result<Message> message = receiveMessageWithin(connection->get(), kPatienceMs);
    if (!message) return message.error();
    return parsePoolStatus(message->text);
  }
  bool awaitReady(unsigned count) const {
    return eventually([&] {
      const Result<PoolStatus> status = ask();
      return status && !status->images.empty() && status->images[0].ready >= count;
    });
  }

  [[nodiscard]] CreateRequest request(std::vector<std::string> command) const {
    CreateRequest request = home_.request(std::move(command));
    request.image = "busybox";
    return request;
  }
  [[nodiscard]] CreateRequest shell(const std::string& script) const { return request({"/bin/sh", "-c", script}); }

  /** Processes that wait for a request. */
  [[nodiscard]] std::vector<pid_t> idle() const {
    std::vector<pid_t> found;
    for (const pid_t pid : home_.monitors()) {
      const Result<std::string> line = readFile("/proc/" + std::to_string(pid) + "/comm");
      if (line && trim(*line) == kIdleName) found.push_back(pid);
    }
    return found;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& digest() const { return digest_; }
  [[nodiscard]] std::string socket() const { return poolSocket(home_.paths(), digest_); }

 private:
  const Home& home_;
  std::string digest_;
  pid_t pid_ = -1;
};

/** What a run in the foreground gave. */
struct Ran {
  bool prepared = false;
  std::string id, out;
  Error error;
  ExitInfo exit;
};

inline Ran finish(Ran ran, Result<Started> started, Capture& out) {
  if (!started) {
    ran.error = started.error();
    return ran;
  }
  ran.exit = receiveExit(started->control.get());
  started->control.reset();
  ran.out = out.readAll();
  return ran;
}

/** By a prepared sandbox alone. */
inline Ran runPrepared(const Home& home, const CreateRequest& request) {
  Capture out;
  Ran ran;
  std::optional<PreparedStart> start =
      home.engine().startPrepared(request, {.attach = {.out = out.in(), .err = out.in()}});
  if (!start) return ran;
  ran.prepared = true;
  ran.id = start->id;
  return finish(std::move(ran), std::move(start->started), out);
}

/** From nothing. */
inline Ran runCold(const Home& home, const CreateRequest& request) {
  Capture out;
  Ran ran;
  const Result<std::string> id = home.engine().create(request);
  if (!id) {
    ran.error = id.error();
    return ran;
  }
  ran.id = *id;
  return finish(std::move(ran), home.engine().start(*id, {.attach = {.out = out.in(), .err = out.in()}}), out);
}

/** Of a sandbox and of all that was prepared, nothing is left. */
inline bool isClean(const Home& home) {
  return eventually([&] {
    return home.isQuiet() && home.entries(home.paths().root + "/sandboxes").empty() &&
           home.entries(home.paths().run + "/sandboxes").empty() && home.entries(home.paths().root + "/names").empty();
  });
}

}  // namespace pooltest
