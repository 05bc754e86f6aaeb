// Times whole commands from posix_spawn to their end, interleaved run by run, so that a noisy minute hits every contestant alike;
// each round in another order, because what a contestant leaves the kernel to tear down costs the one after it.
//
//   timer ROUNDS < commands        one command a line, words separated by tabs
//
// Prints one line a run: `<index of the command> <nanoseconds> <exit code>`. A small program of its own, because a fork of
// Node would be most of what is measured.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

extern char** environ;

namespace {

std::vector<std::vector<std::string>> readCommands() {
  std::vector<std::vector<std::string>> commands;
  std::vector<std::string> words(1);
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') {
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

long long runOnce(const std::vector<std::string>& command, int& exitCode) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const auto started = std::chrono::steady_clock::now();
  pid_t pid = -1;
  int status = 127 << 8;
  if (posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ) == 0) waitpid(pid, &status, 0);
  const auto ended = std::chrono::steady_clock::now();
  posix_spawn_file_actions_destroy(&actions);
  exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(ended - started).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 30;
  const auto commands = readCommands();
  std::vector<std::size_t> order(commands.size());
  std::iota(order.begin(), order.end(), 0U);
  std::mt19937 shuffler(1);  // NOLINT(cert-msc51-cpp): the same orders in every run
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), shuffler);
    for (const std::size_t index : order) {
      int exitCode = 0;
      const long long nanoseconds = runOnce(commands[index], exitCode);
      std::printf("%zu %lld %d\n", index, nanoseconds, exitCode);
    }
  }
  return 0;
}
