// Work whose speed is compared inside and outside of a sandbox. Static: both run the very same bytes. Prints one
// number, nanoseconds for each unit of the work: a call, or a mebibyte.
//
//   work getppid | stat | memory              calls; copying memory, more than caches hold
//   work sequential FILE | random FILE        reads, 1 MiB and 4 KiB at a time, nothing of the file in the page cache
//   work write DIRECTORY                      a new file of 64 MiB, fsync, unlink
//   work evict FILE                           drops the file from the page cache, prints 0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kMebi = 1U << 20;

double nanosecondsOf(const std::function<void()>& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - started).count();
}

double perCall(int calls, const std::function<void()>& call) {
  return nanosecondsOf([&] {
           for (int i = 0; i < calls; ++i) call();
         }) /
         calls;
}

/** For a second or so: the refill of the pool behind a start, some 10 ms of another processor's, is not what is meant.
 */
double copyMemory() {
  constexpr std::size_t size = 64 * kMebi;
  constexpr int rounds = 100;
  std::vector<char> from(size, 1), to(size, 2);
  return nanosecondsOf([&] {
           for (int i = 0; i < rounds; ++i) {
             from[static_cast<std::size_t>(i)] = static_cast<char>(i);
             std::memcpy(to.data(), from.data(), size);
             asm volatile("" : : "r"(to.data()) : "memory");
           }
         }) /
         (rounds * (size / kMebi));
}

/** A descriptor of the file, none of which is cached; -1 when it can't be opened. */
int openCold(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  return fd;
}

double readFile(const char* path, bool random) {
  const int fd = openCold(path);
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(kMebi)) return -1;
  const std::size_t block = random ? 4096 : kMebi;
  const std::size_t blocks = static_cast<std::size_t>(info.st_size) / block;
  const std::size_t reads = random ? 2000 : blocks;
  if (random) posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  std::vector<char> buffer(block);
  std::mt19937_64 numbers(7);  // the same places everywhere
  bool good = true;
  const double took = nanosecondsOf([&] {
    for (std::size_t i = 0; i < reads; ++i) {
      const auto at = static_cast<off_t>((random ? numbers() % blocks : i) * block);
      good = good && pread(fd, buffer.data(), block, at) == static_cast<ssize_t>(block);
    }
  });
  close(fd);
  return good ? took / static_cast<double>(reads) : -1;
}

double writeFile(const std::string& directory) {
  const std::string path = directory + "/lightv-bench-write";
  const std::vector<char> buffer(kMebi, 3);
  constexpr int blocks = 64;
  bool good = true;
  const double took = nanosecondsOf([&] {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; i < blocks; ++i) good = good && write(fd, buffer.data(), kMebi) == static_cast<ssize_t>(kMebi);
    good = good && fsync(fd) == 0;
    close(fd);
  });
  unlink(path.c_str());
  return good ? took / blocks : -1;
}

double measure(const std::string& what, const char* path) {
  struct stat info {};
  if (what == "getppid") return perCall(2'000'000, [] { syscall(SYS_getppid); });
  if (what == "stat") return perCall(400'000, [&] { stat("/etc/passwd", &info); });
  if (what == "memory") return copyMemory();
  if (what == "sequential" || what == "random") return readFile(path, what == "random");
  if (what == "write") return writeFile(path);
  if (what == "evict") return close(openCold(path)) == 0 ? 0 : -1;
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  const double result = argc > 1 ? measure(argv[1], argc > 2 ? argv[2] : "") : -1;
  std::printf("%.3f\n", result);
  return result < 0 ? 1 : 0;
}
