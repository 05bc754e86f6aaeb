#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/create_options.hpp"
#include "cli/foreground.hpp"
#include "cli/verbs.hpp"
#include "engine/merge.hpp"
#include "sys/syscalls.hpp"
#include "sys/wait.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kExecFlags[] = {
    {.name = "detach", .letter = 'd', .help = "Leave the program running and return"},
    {.name = "interactive", .letter = 'i', .help = "Pass our standard input on"},
    {.name = "tty", .letter = 't', .help = "Give it a terminal"},
    {.name = "env",
     .letter = 'e',
     .value = "KEY[=VALUE]",
     .help = "Set a variable; without a value, pass ours on",
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       o.env.emplace_back(v);
       return {};
     }},
    {.name = "env-file",
     .value = "FILE",
     .help = "Set variables from a file of KEY=VALUE lines",
     .offer = Offer::file,
     .apply = [](CreateOptions& o, std::string_view v) -> Status {
       o.envFiles.emplace_back(v);
       return {};
     }},
    {.name = "user", .letter = 'u', .value = "USER[:GROUP]", .help = "User and group to be (the sandbox's)"},
    {.name = "workdir", .letter = 'w', .value = "PATH", .help = "Directory to start in (the sandbox's)"},
    {.name = "privileged", .help = "All capabilities, no seccomp filter"},
    {.name = "detach-keys", .value = "KEYS", .help = "Keys that leave it running (ctrl-p,ctrl-q)"},
};

Result<ExecSpec> execSpec(const Parsed& parsed, const Spec& sandbox) {
  CreateOptions options;
  if (Status status = applyFlags(parsed, options); !status) return status.error();
  ExecSpec exec{.args = {parsed.args.begin() + 1, parsed.args.end()}, .env = sandbox.env};
  exec.cwd = parsed.text("workdir", sandbox.cwd);
  exec.user = parsed.text("user", sandbox.user);
  exec.terminal = parsed.on("tty");
  exec.privileged = parsed.on("privileged");
  if (exec.terminal) exec.stdio.size = windowSize(STDIN_FILENO);
  if (!exec.cwd.starts_with('/')) return invalidValue("workdir", exec.cwd, "an absolute path");
  if (exec.terminal) exec.env = mergeEnv(exec.env, {"TERM=xterm"});
  exec.env = mergeEnv(exec.env, options.request.spec.env);
  if (!parsed.on("detach") && !exec.terminal) {
    exec.stdio = {.in = parsed.on("interactive") ? STDIN_FILENO : -1, .out = STDOUT_FILENO, .err = STDERR_FILENO};
  }
  return exec;
}

int runInForeground(const Parsed& parsed, const ExecSpec& exec, ExecHandle handle, const HeldSignals& signals,
                    const std::string& keys) {
  const Fd pidfd(sys::pidfdOpen(handle.pid));
  if (!pidfd) return fail(parsed, Error{"watch the program", errno}, kEngineFailed);
  SessionOptions options{.terminal = exec.terminal,
                         .copyInput = exec.terminal && parsed.on("interactive"),
                         .ptyOutput = exec.terminal ? handle.ptyMaster.get() : -1,
                         .ended = pidfd.get(),
                         .detachKeys = keys};
  options.forward = [&pidfd](int signal) { (void)sys::pidfdSendSignal(pidfd.get(), signal); };
  Fd input;
  if (exec.terminal) input = Fd(::fcntl(handle.ptyMaster.get(), F_DUPFD_CLOEXEC, 0));
  Session session(std::move(options), signals, std::move(input));
  if (session.run() == SessionEnd::detached) {
    tellDetached();
    return 0;
  }
  const int code = sys::awaitExit(handle.pid);
  return code < 0 ? kEngineFailed : code;
}

int runExec(const Engine& engine, const Parsed& parsed) {
  const Result<ForegroundOptions> options = foregroundOptions(parsed);
  if (!options) return fail(parsed, options.error(), kEngineFailed);
  const Result<std::string> id = engine.find(parsed.args[0]);
  if (!id) return fail(parsed, id.error());
  const Result<SandboxInfo> info = engine.info(*id);
  if (!info) return fail(parsed, info.error());
  const Result<ExecSpec> exec = execSpec(parsed, info->spec);
  if (!exec) return fail(parsed, exec.error(), kEngineFailed);
  const bool detach = parsed.on("detach");
  if (!detach) {
    if (Status status = checkTerminal(exec->terminal, parsed.on("interactive")); !status)
      return fail(parsed, status.error());
  }
  const HeldSignals signals;
  Result<ExecHandle> handle = engine.exec(*id, *exec);
  if (!handle) {
    const int code = startExitCode(handle.error());
    return fail(parsed, handle.error(), code == kEngineFailed ? 1 : code);
  }
  if (detach) return 0;
  return runInForeground(parsed, *exec, std::move(*handle), signals, options->detachKeys);
}

}  // namespace

constinit const Verb kExec = {.name = "exec",
                              .group = Group::common,
                              .usage = "[OPTIONS] SANDBOX COMMAND [ARG...]",
                              .summary = "Run a program in a running sandbox",
                              .flags = [] { return FlagTables{kExecFlags}; },
                              .minArgs = 2,
                              .maxArgs = kMany,
                              .offer = Offer::running,
                              .commandFollows = true,
                              .run = runExec};

}  // namespace lightv::cli
