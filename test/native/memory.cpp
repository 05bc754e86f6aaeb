// Giving back memory that has served.
#include "sys/memory.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "sys/fd.hpp"

using namespace lightv;

namespace {

/** So large that its middle comes only by itself: the kernel maps up to 2 MiB around what is used. */
constexpr std::size_t kSize = 4U << 20;
alignas(4096) const char kConstant[kSize] = {'a'};
std::string written;

bool isMapped(const volatile void* address) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const Fd file(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::uint64_t entry = 0;
  const auto at = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(address) / page * sizeof entry);
  REQUIRE(::pread(file.get(), &entry, sizeof entry, at) == static_cast<ssize_t>(sizeof entry));
  return (entry >> 63) != 0;  // bit 63: present (Documentation/admin-guide/mm/pagemap.rst)
}

thread_local int own = 0;

/** 0: what its callers had is gone, what is its own and the thread's is there. */
[[noreturn, gnu::noinline]] void goOnAlone(const volatile char* callers) {
  const volatile int here = 7;
  releaseCallers();
  const bool gone = !isMapped(callers);
  ::_exit(gone && here == 7 && own == 8 ? 0 : 1);
}

[[gnu::noinline]] void goOnBelow() {
  volatile char frame[32 * 4096];
  for (volatile char& byte : frame) byte = 'a';
  own = 8;
  goOnAlone(frame + sizeof frame / 2);
}

}  // namespace

TEST_CASE("memory: pages of the program go, and come back when they are used") {
  const volatile char* middle = kConstant + kSize / 2;
  CHECK(*middle == '\0');
  CHECK(isMapped(middle));
  CHECK(releaseProgram() > kSize);
  CHECK_FALSE(isMapped(middle));
  CHECK(*middle == '\0');
  CHECK(kConstant[0] == 'a');
  CHECK(isMapped(middle));
}

TEST_CASE("memory: what was written stays") {
  written = "by this test";
  releaseMemory();
  CHECK(written == "by this test");
}

TEST_CASE("memory: a process that never returns goes on without its callers' frames") {
  const pid_t pid = ::fork();
  if (pid == 0) goOnBelow();
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
