#include "cli/foreground.hpp"

#include <unistd.h>
#include <cstdio>

#include "cli/create_options.hpp"
#include "cli/detach.hpp"
#include "cli/terminal.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

namespace {

constexpr int kSignalled = 128;

int exitCodeOf(const Parsed& parsed, const ExitInfo& exit) {
  if (exit.lost) complain(parsed.verb->name, "the sandbox's monitor was lost, so it was ended");
  if (!exit.error.empty()) complain(parsed.verb->name, exit.error);
  return exit.exitCode;
}

}  // namespace

void tellDetached() {
  (void)writeAll(STDERR_FILENO, "\r\nread escape sequence\r\n", "stderr");
}

Result<ForegroundOptions> foregroundOptions(const Parsed& parsed) {
  ForegroundOptions options;
  const Result<std::string> keys = parseDetachKeys(parsed.text("detach-keys", kDefaultDetachKeys));
  if (!keys) return keys.error();
  options.detachKeys = *keys;
  options.proxySignals = parsed.on("sig-proxy", true);
  options.input = parsed.on("interactive");
  const std::vector<std::string> streams = parsed.all("attach");
  if (streams.empty()) return options;
  options.output = options.errors = options.input = false;
  for (const std::string& stream : streams) {
    if (stream == "stdout") {
      options.output = true;
    } else if (stream == "stderr") {
      options.errors = true;
    } else if (stream == "stdin") {
      options.input = true;
    } else {
      return invalidValue("attach", stream, "stdin, stdout or stderr");
    }
  }
  return options;
}

Status checkTerminal(bool terminal, bool input) {
  if (terminal && input && !isTerminal(STDIN_FILENO)) {
    return Error{"the input device is not a TTY", 0, "", "-t needs a terminal; leave it out, or leave out -i"};
  }
  return {};
}

void showWarnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) complain("", "warning: " + warning);
}

int runForeground(const Engine& engine, const Parsed& parsed, const Spec& spec, const Begin& begin,
                  const ForegroundOptions& options) {
  const HeldSignals signals;
  const Stdio stdio{.in = -1,
                    .out = options.output ? STDOUT_FILENO : -1,
                    .err = options.errors ? STDERR_FILENO : -1,
                    .size = windowSize(STDIN_FILENO)};
  // The master of a terminal is wanted for the window size, even when nothing is typed into it.
  const bool wantInput = options.input || (spec.terminal && isTerminal(STDIN_FILENO));
  // Before the program can write: as long as our terminal makes \r\n of \n, the program's \r\n would become \r\r\n.
  const bool typed = options.input && spec.terminal;
  RawMode raw;
  if (typed) (void)raw.enter(STDIN_FILENO);
  auto [id, started] = begin({.monitorBinary = "", .attach = stdio, .attachStdin = wantInput});
  if (!started) {
    raw.leave();
    return fail(parsed, started.error(), startExitCode(started.error()));
  }
  if (!started->warnings.empty()) {
    raw.leave();
    showWarnings(started->warnings);
    if (typed) (void)raw.enter(STDIN_FILENO);
  }
  SessionOptions sessionOptions{.terminal = spec.terminal && started->stdinEnd.valid(),
                                .copyInput = options.input,
                                .ended = started->control.get(),
                                .detachKeys = options.detachKeys};
  if (options.proxySignals) {
    // It may have ended just now: then there is nobody left to tell, and the session's end comes next.
    sessionOptions.forward = [&engine, &sandbox = id](int signal) { (void)engine.kill(sandbox, signal); };
  }
  Session session(std::move(sessionOptions), signals, std::move(started->stdinEnd));
  const SessionEnd end = session.run();
  raw.leave();
  switch (end) {
    case SessionEnd::ended:
      return exitCodeOf(parsed, receiveExit(started->control.get()));
    case SessionEnd::detached:
      tellDetached();
      return 0;
    case SessionEnd::signalled:
      return kSignalled + session.signal();
  }
  return 0;
}

}  // namespace lightv::cli
