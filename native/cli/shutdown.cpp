#include "cli/shutdown.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "sys/file.hpp"
#include "sys/pipe.hpp"
#include "sys/text.hpp"
#include "sys/wait.hpp"

namespace lightv::cli {
namespace {

/** A program's standard output; empty when it can't be run. */
std::string outputOf(const char* program, const char* argument) {
  Pipe output;
  if (!openPipe(output, program)) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output.write.get(), STDOUT_FILENO);
  std::array<std::string, 2> words{program, argument};
  std::array<char*, 3> argv{words[0].data(), words[1].data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, program, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  output.write.reset();
  if (failed != 0) return {};
  const Result<std::string> text = readDescriptor(output.read.get(), program);
  (void)sys::awaitExit(pid);
  return text ? *text : std::string();
}

}  // namespace

bool saysShuttingDown(std::string_view output) {
  return trim(output) == "stopping";
}

bool isShuttingDown() {
  return saysShuttingDown(outputOf("systemctl", "is-system-running"));
}

}  // namespace lightv::cli
