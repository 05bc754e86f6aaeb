#include "cli/shutdown.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv::cli {
namespace {

/** A program's standard output; empty when it can't be run. */
std::string outputOf(const char* program, const char* argument) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return {};
  Fd read(ends[0]);
  Fd write(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write.get(), STDOUT_FILENO);
  std::array<std::string, 2> words{program, argument};
  std::array<char*, 3> argv{words[0].data(), words[1].data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, program, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  write.reset();
  if (failed != 0) return {};
  const Result<std::string> text = readDescriptor(read.get(), program);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
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
