// Giving back memory that has served.
#include "sys/memory.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
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
