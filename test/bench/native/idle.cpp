// The program of idle sandboxes: static, waits for its end. With a FILE it writes there the nanoseconds of the
// monotonic clock at which it began, which is how the bench knows when an app of the agent runs.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>

int main(int argc, char** argv) {
  std::signal(SIGTERM, [](int) { _exit(0); });
  if (argc > 1) {
    timespec at{};
    clock_gettime(CLOCK_MONOTONIC, &at);
    char text[32];
    const int length =
        std::snprintf(text, sizeof text, "%lld\n", static_cast<long long>(at.tv_sec) * 1'000'000'000 + at.tv_nsec);
    const int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, static_cast<std::size_t>(length)) != length) return 1;
    close(fd);
  }
  for (;;) pause();
}
