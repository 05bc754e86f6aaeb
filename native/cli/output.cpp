#include "cli/output.hpp"

#include <unistd.h>

#include <cerrno>

#include "sys/file.hpp"

namespace lightv::cli {

void print(std::string_view text) {
  if (Status status = writeAll(STDOUT_FILENO, text, "stdout"); !status) {
    complain("", status.error().message());
    ::_exit(1);
  }
}

void complain(std::string_view verb, std::string_view message) {
  std::string line = "lightv";
  if (!verb.empty()) line.append(" ").append(verb);
  line.append(": ").append(message).append("\n");
  (void)writeAll(STDERR_FILENO, line, "stderr");
}

int fail(const Parsed& parsed, const Error& error, int code) {
  complain(parsed.verb->name, error.message());
  return code;
}

int startExitCode(const Error& error) {
  // launch() and execInside() put the op "exec" on errors of execve itself; callers may have wrapped it since.
  const bool exec =
      error.op == "exec" || error.detail.starts_with("exec:") || error.detail.find(": exec:") != std::string::npos;
  if (!exec) return kEngineFailed;
  return error.err == ENOENT ? kNotFound : kNotInvokable;
}

}  // namespace lightv::cli
