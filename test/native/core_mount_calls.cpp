// Mounts that change while others use them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/mount.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "core/mount_calls.hpp"
#include "sandbox_fixture.hpp"
#include "sys/fd.hpp"

namespace lightv {
namespace {

Fd openForWriting(const Fd& mount) {
  return Fd(::openat(mount.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

}  // namespace

TEST_CASE("mounts: one becomes read-only though others write to it now and then") {
  const test::TempDir directory;
  for (int round = 0; round < 50; round++) {
    const Fd mount(mounts::cloneTree(AT_FDCWD, directory.path().c_str(), false));
    REQUIRE(mount.valid());
    std::atomic<int> writes = 0;
    std::thread writer([&] {
      while (openForWriting(mount).valid()) writes++;
    });
    while (writes == 0) std::this_thread::yield();
    const bool changed = mounts::setAttributes(mount.get(), MOUNT_ATTR_RDONLY, false) == 0;
    CHECK(changed);
    // Or the writer would never end.
    while (!changed && mounts::setAttributes(mount.get(), MOUNT_ATTR_RDONLY, false) < 0) {
    }
    writer.join();
  }
}

TEST_CASE("mounts: who goes on writing keeps one from becoming read-only, and is not waited for forever") {
  const test::TempDir directory;
  const Fd mount(mounts::cloneTree(AT_FDCWD, directory.path().c_str(), false));
  REQUIRE(mount.valid());
  const Fd file = openForWriting(mount);
  REQUIRE(file.valid());
  CHECK(mounts::setAttributes(mount.get(), MOUNT_ATTR_RDONLY, false) < 0);
  CHECK(errno == EBUSY);
}

}  // namespace lightv
