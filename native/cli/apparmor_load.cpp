#include "cli/apparmor_load.hpp"

#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/apparmor.hpp"
#include "sys/file.hpp"
#include "sys/wait.hpp"

namespace lightv::cli {
namespace {

/** The exit code, 128 + n after a signal; -1 with errno when the program can't be run. Its complaints are its own. */
int runParser(const char* program, const std::string& file) {
  // Without a cache: it takes a moment, and nothing of it stays when the package goes.
  std::array<std::string, 5> words{program, "--replace", "--skip-cache", "--quiet", file};
  std::array<char*, words.size() + 1> argv{};
  for (std::size_t i = 0; i < words.size(); i++) argv[i] = words[i].data();
  pid_t pid = 0;
  if (const int err = ::posix_spawn(&pid, program, nullptr, nullptr, argv.data(), environ); err != 0) {
    errno = err;
    return -1;
  }
  return sys::awaitExit(pid);
}

}  // namespace

std::string loadAppArmor(const std::string& file) {
  if (!hasAppArmor()) return "";
  const std::string without = ": sandboxes start without the profile " + std::string(kDefaultAppArmorProfile);
  if (!exists(file)) return file + " is missing" + without;
  for (const char* program : {"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"}) {
    const int code = runParser(program, file);
    if (code == 0) return "";
    if (code > 0)
      return std::string(program).append(" ").append(file).append(" ended with ").append(std::to_string(code)) +
             without;
    if (errno != ENOENT) return std::string(program) + ": " + std::strerror(errno) + without;
  }
  return "this kernel has AppArmor, but there is no apparmor_parser (package apparmor)" + without;
}

}  // namespace lightv::cli
