#include "cli/create_options.hpp"
#include "cli/created.hpp"
#include "cli/foreground.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kRunFlags[] = {
    {.name = "detach", .letter = 'd', .help = "Leave it running and print its id"},
    {.name = "attach",
     .letter = 'a',
     .value = "STREAM",
     .help = "Attach only to stdin, stdout or stderr",
     .words = "stdin stdout stderr"},
    {.name = "sig-proxy", .help = "Forward signals to it (true)"},
    {.name = "detach-keys", .value = "KEYS", .help = "Keys that leave it running (ctrl-p,ctrl-q)"},
};

int runDetached(const Engine& engine, const Parsed& parsed, CreateRequest request) {
  const auto [id, started] = createAndStart(engine, parsed, std::move(request), {});
  if (!started) return fail(parsed, started.error(), startExitCode(started.error()));
  showWarnings(started->warnings);
  print(id + "\n");
  return 0;
}

int runRun(const Engine& engine, const Parsed& parsed) {
  Result<CreateOptions> options = createOptions(parsed);
  if (!options) return fail(parsed, options.error(), kEngineFailed);
  const Result<ForegroundOptions> foreground = foregroundOptions(parsed);
  if (!foreground) return fail(parsed, foreground.error(), kEngineFailed);
  const bool detach = parsed.on("detach");
  if (detach && parsed.has("attach"))
    return fail(parsed, Error{"--detach and --attach exclude each other: leave one of them out"}, kEngineFailed);
  Spec spec = options->request.spec;
  if (foreground->input && !detach) spec.openStdin = options->request.spec.openStdin = true;
  if (!detach) {
    if (Status status = checkTerminal(spec.terminal, foreground->input); !status)
      return fail(parsed, status.error(), kEngineFailed);
  }
  if (detach) return runDetached(engine, parsed, std::move(options->request));
  const Begin begin = [&](const StartOptions& start) {
    return createAndStart(engine, parsed, std::move(options->request), start);
  };
  return runForeground(engine, parsed, spec, begin, *foreground);
}

}  // namespace

constinit const Verb kRun = {.name = "run",
                             .group = Group::common,
                             .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
                             .summary = "Make a sandbox from an image and run it",
                             .flags =
                                 [] {
                                   return FlagTables{kRunFlags, createFlags(), limitFlags()};
                                 },
                             .minArgs = 1,
                             .maxArgs = kMany,
                             .offer = Offer::image,
                             .commandFollows = true,
                             .run = runRun};

}  // namespace lightv::cli
