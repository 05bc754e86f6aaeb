// What goes to the user: results to stdout, complaints to stderr.
#pragma once

#include <string>
#include <string_view>

#include "cli/command.hpp"
#include "sys/signals.hpp"

namespace lightv::cli {

/** Exit codes that Docker's users know. */
constexpr int kEngineFailed = 125, kNotInvokable = 126, kNotFound = 127;

/** Writes all of it to stdout. A closed pipe ends the process by SIGPIPE, as with any filter. */
void print(std::string_view text);
/** `lightv VERB: message` on stderr; a verb of "" is left out. */
void complain(std::string_view verb, std::string_view message);
/** complain() with an engine's error; gives `code` back. */
int fail(const Parsed& parsed, const Error& error, int code = 1);
/** 126 and 127 when the program itself can't be executed, else 125: launch()'s error convention. */
int startExitCode(const Error& error);

/** Runs `action` on each argument as a sandbox; prints the argument when it went well, and goes on when it did not. */
template <class Action>
int forEachSandbox(const Engine& engine, const Parsed& parsed, Action action) {
  int code = 0;
  for (const std::string& given : parsed.args) {
    const Result<std::string> id = engine.find(given);
    Status status = id ? action(*id) : Status(id.error());
    if (status) {
      print(given + "\n");
    } else {
      code = fail(parsed, status.error());
    }
  }
  return code;
}

}  // namespace lightv::cli
