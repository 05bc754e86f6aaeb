// A small server as many are: it answers, and writes a line about it.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "hog.hpp"

namespace hog {
namespace {

sockaddr_un addressOf(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (void)std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

std::uint64_t nowUs() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

/** "k" when the line was written, "e" when it could not be. */
char work(int file, std::uint64_t round) {
  char line[64];
  const int length = std::snprintf(line, sizeof line, "request %llu\n", static_cast<unsigned long long>(round));
  const off_t at = static_cast<off_t>((round % 1000) * 32);
  return pwrite(file, line, static_cast<std::size_t>(length), at) == length ? 'k' : 'e';
}

}  // namespace

int serve(const char* socketPath, const char* file) {
  const int log = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = addressOf(socketPath);
  (void)unlink(socketPath);
  if (log < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 8) != 0)
    return std::perror(socketPath), 1;
  for (std::uint64_t round = 0;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    char byte = 0;
    while (client >= 0 && read(client, &byte, 1) == 1) {
      const char answer = work(log, round++);
      if (write(client, &answer, 1) != 1) break;
    }
    close(client);
  }
}

int ask(const char* socketPath, unsigned count, unsigned pauseUs) {
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = addressOf(socketPath);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::perror(socketPath), 1;
  for (unsigned i = 0; i < count; i++) {
    char answer = '?';
    const std::uint64_t begun = nowUs();
    if (write(server, &answer, 1) != 1 || read(server, &answer, 1) != 1) return std::perror("ask"), 1;
    const std::uint64_t took = nowUs() - begun;
    if (answer != 'k') return std::fprintf(stderr, "the neighbour could not write\n"), 1;
    (void)std::printf("%llu\n", static_cast<unsigned long long>(took));
    (void)usleep(pauseUs);
  }
  return 0;
}

}  // namespace hog
