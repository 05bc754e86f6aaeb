// Times whole commands from posix_spawn to their end, in the order that it is given (bench/measure/order.ts).
//
//   timer PAUSE_MS < "commands, an empty line, then the index of a command a line"
//
// The pause after each run keeps what a contestant leaves the kernel to tear down from being charged to the one after
// it. Prints one line a run: `<index of the command> <nanoseconds> <exit code>`.
#include <chrono>
#include <cstdlib>
#include <thread>

#include "spawn.hpp"

int main(int argc, char** argv) {
  const std::chrono::milliseconds pause(argc > 1 ? std::atoi(argv[1]) : 0);
  const auto commands = bench::readCommands();
  std::size_t index = 0;
  while (std::scanf("%zu", &index) == 1) {
    if (index >= commands.size()) return 2;
    const long long started = bench::now();
    const int code = bench::finish(bench::start(commands[index]));
    std::printf("%zu %lld %d\n", index, bench::now() - started, code);
    std::fflush(stdout);
    std::this_thread::sleep_for(pause);
  }
  return 0;
}
