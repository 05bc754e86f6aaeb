#include <algorithm>
#include <cerrno>

#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "engine/cgroup_parent.hpp"
#include "engine/pool_talk.hpp"
#include "pool/keeper.hpp"
#include "pool/status.hpp"
#include "sys/notify.hpp"
#include "sys/socket.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr int kPatienceMs = 5000;

constexpr Flag kRuntimeFlags[] = {
    {.name = "json", .help = "status: as JSON"},
    {.name = "warm", .value = "IMAGE=N", .help = "serve: keep so many of an image ready", .offer = Offer::image},
    {.name = "most", .value = "N", .help = "serve: prepare no more than so many at once (by the machine's memory)"},
    {.name = "cgroup-parent", .value = "PATH", .help = "serve: where their cgroups go"},
};

std::optional<unsigned> count(std::string_view text) {
  const auto number = parseInteger<unsigned>(text);
  return number && *number <= kMostPrepared ? number : std::nullopt;
}

int serve(const Engine& engine, const Parsed& parsed) {
  KeeperOptions options{.cgroupParent = parsed.text("cgroup-parent", defaultCgroupParent(engine.paths()))};
  if (parsed.has("most")) {
    const auto most = count(parsed.text("most"));
    if (!most || *most == 0) return fail(parsed, Error{"--most takes a number from 1 on"}, kEngineFailed);
    options.most = *most;
  }
  for (const std::string& text : parsed.all("warm")) {
    const std::size_t equals = text.rfind('=');
    const auto number = equals == std::string::npos ? std::nullopt : count(std::string_view(text).substr(equals + 1));
    if (!number) return fail(parsed, Error{"--warm takes IMAGE=N, not \"" + text + "\""}, kEngineFailed);
    options.warm[text.substr(0, equals)] = *number;
  }
  Keeper keeper(engine, std::move(options));
  if (Status opened = keeper.open(); !opened) return fail(parsed, opened.error());
  (void)notifyService("READY=1");
  const Status served = keeper.serve();
  return served ? 0 : fail(parsed, served.error());
}

Result<std::string> ask(const Paths& paths, const KeeperRequest& request) {
  const Result<Fd> connection = tryConnectSeqpacket(keeperSocket(paths));
  if (!connection) {
    const int err = connection.error().err;
    if (err != ENOENT && err != ECONNREFUSED) return connection.error();
    return Error{"no runtime is running", err, "", "sandboxes start without it, only slower; lightv runtime serve",
                 true};
  }
  if (Status sent = sendMessage(connection->get(), toJson(request)); !sent) return sent.error();
  Result<Message> message = receiveMessageWithin(connection->get(), kPatienceMs);
  if (!message) return message.error();
  if (message->endOfFile) return Error{"ask the runtime", ECONNRESET, keeperSocket(paths)};
  return std::move(message->text);
}

std::string shown(const PoolStatus& status) {
  std::string text = "pid " + std::to_string(status.pid) + ", at most " + std::to_string(status.most) + " prepared";
  if (status.paused) text += ", paused: memory is short";
  text += "\nstarts: " + std::to_string(status.taken) + " prepared, " + std::to_string(status.missed) + " not\n";
  if (status.failures > 0) {
    text += "could not be prepared: " + std::to_string(status.failures) + ", last: " + status.lastFailure + "\n";
  }
  for (const ShelfStatus& image : status.images) {
    text += image.digest.substr(image.digest.find(':') + 1, 12) + "  " + image.name + "  " +
            std::to_string(image.ready) + " of " + std::to_string(image.wanted) + " ready";
    if (image.wish > 0) text += ", " + std::to_string(image.wish) + " wished";
    text += ", " + std::to_string(image.taken) + " taken\n";
  }
  return text;
}

int tell(const Engine& engine, const Parsed& parsed, const KeeperRequest& request) {
  const Result<std::string> answer = ask(engine.paths(), request);
  if (!answer) return fail(parsed, answer.error());
  if (parsed.on("json")) {
    print(*answer + "\n");
    return 0;
  }
  const Result<PoolStatus> status = parsePoolStatus(*answer);
  if (!status) return fail(parsed, status.error());
  print(shown(*status));
  return 0;
}

int runRuntime(const Engine& engine, const Parsed& parsed) {
  const std::string& action = parsed.args[0];
  const std::size_t words = parsed.args.size();
  if (engine.paths().rootless)
    return fail(parsed, Error{"sandboxes are prepared ahead for root only", 0, "", "yours start without"},
                kEngineFailed);
  if (action == "serve" && words == 1) return serve(engine, parsed);
  if (action == "status" && words == 1) return tell(engine, parsed, {.op = KeeperOp::status});
  if (action == "resize" && words == 2) {
    const auto most = parsed.args[1] == "off" ? std::optional(0U) : count(parsed.args[1]);
    if (most) return tell(engine, parsed, {.op = KeeperOp::resize, .most = *most});
  }
  return fail(parsed, Error{"use serve, status, resize N or resize off"}, kEngineFailed);
}

}  // namespace

constinit const Verb kRuntime = {.name = "runtime",
                                 .group = Group::other,
                                 .usage = "serve|status|resize [N|off] [OPTIONS]",
                                 .summary = "Sandboxes prepared ahead, so that starts are fast: serve, status, resize",
                                 .flags = [] { return FlagTables{kRuntimeFlags}; },
                                 .minArgs = 1,
                                 .maxArgs = 2,
                                 .run = runRuntime};

}  // namespace lightv::cli
