// From the start of a command to the first byte that the server in it answers, over a Unix socket.
//
//   first-byte PAUSE_MS TIMEOUT_MS < "for each contestant two lines: its start and, or a word `kill`, its stop;
//                                     then socket<TAB>path and send<TAB>request; an empty line; indexes of contestants"
//
// Prints `<index> <nanoseconds> <exit code>` a run; 124 when no answer came in time. Stopping is outside of the time
// measured.
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "spawn.hpp"

namespace {

constexpr std::chrono::microseconds kAskEvery(200);

/** `\r` and `\n` written as backslash and letter, since a line ends a request otherwise. */
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      ++i;
      out += text[i] == 'r' ? '\r' : text[i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

/** Asks once; true when a byte came. */
bool answered(const std::string& path, const std::string& request) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const timeval patience{2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte = 0;
  const bool good = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()) &&
                    recv(fd, &byte, 1, 0) == 1;
  close(fd);
  return good;
}

struct Server {
  bench::Command start, stop;
  std::string socket, request;
};

int runOnce(const Server& server, std::chrono::milliseconds timeout, long long& nanoseconds) {
  unlink(server.socket.c_str());
  const long long started = bench::now();
  const long long limit = started + std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
  const pid_t pid = bench::start(server.start);
  bool good = false;
  while (!(good = answered(server.socket, server.request)) && bench::now() < limit)
    std::this_thread::sleep_for(kAskEvery);
  nanoseconds = bench::now() - started;
  if (server.stop[0] == "kill")
    kill(pid, SIGTERM);
  else
    bench::finish(bench::start(server.stop));
  const int code = bench::finish(pid);
  if (!good) std::fprintf(stderr, "no answer on %s; run ended with %d\n", server.socket.c_str(), code);
  unlink(server.socket.c_str());
  return good ? 0 : 124;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::chrono::milliseconds pause(std::atoi(argv[1]));
  const std::chrono::milliseconds timeout(std::atoi(argv[2]));
  const auto lines = bench::readCommands();
  std::vector<Server> servers;
  for (std::size_t i = 0; i + 3 < lines.size(); i += 4) {
    if (lines[i + 2].size() != 2 || lines[i + 3].size() != 2) return 2;
    servers.push_back({lines[i], lines[i + 1], lines[i + 2][1], unescaped(lines[i + 3][1])});
  }
  std::size_t index = 0;
  while (std::scanf("%zu", &index) == 1) {
    if (index >= servers.size()) return 2;
    long long nanoseconds = 0;
    const int code = runOnce(servers[index], timeout, nanoseconds);
    std::printf("%zu %lld %d\n", index, nanoseconds, code);
    std::fflush(stdout);
    std::this_thread::sleep_for(pause);
  }
  return 0;
}
