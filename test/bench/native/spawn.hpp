// What the bench's programs share: commands read from standard input, started with nothing inherited but /dev/null, and
// awaited. Programs of their own, because a fork of Node would be most of what is measured.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

extern char** environ;

namespace bench {

using Command = std::vector<std::string>;

/** Commands from standard input, one a line, words separated by tabs, up to an empty line or the end. */
inline std::vector<Command> readCommands() {
  std::vector<Command> commands;
  Command words(1);
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') {
      if (words.size() == 1 && words[0].empty()) break;
      commands.push_back(words);
      words.assign(1, "");
    } else if (c == '\t') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(c);
    }
  }
  return commands;
}

/** Nanoseconds of the monotonic clock. */
inline long long now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/** Starts a command; it has nothing to read, and what it complains of goes where our complaints go. -1 when it can't be
 * started. */
inline pid_t start(const Command& command) {
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  if (posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

/** A shell's exit code of a wait status. */
inline int exitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/** Waits for a started command; 127 for one that could not be started. */
inline int finish(pid_t pid) {
  int status = 127 << 8;
  if (pid > 0) waitpid(pid, &status, 0);
  return exitCode(status);
}

}  // namespace bench
