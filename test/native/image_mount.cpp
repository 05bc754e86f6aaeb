// Mounting an image in each of the three ways, and unpacking it. Needs root.
#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cstdio>
#include <thread>

#include "image/image.hpp"
#include "lv_builder.hpp"
#include "sys/syscalls.hpp"

using namespace lightv;

namespace {

/** An image of a tree with one of everything. */
struct Fixture {
  lvtest::TempDir temp;
  std::string image = temp.at("image.lv"), unpackRoot = temp.at("unpacked"), digest;
  std::string big = std::string(300'000, 'b');

  Fixture() {
    const std::string tree = temp.at("tree");
    REQUIRE(makeDirs(tree + "/usr/share/deep/er", 0755).ok());
    REQUIRE(lvtest::writeBytes(tree + "/usr/share/text", "hello\n", 0640));
    REQUIRE(lvtest::writeBytes(tree + "/usr/share/big", big));
    REQUIRE(lvtest::writeBytes(tree + "/usr/share/empty", ""));
    REQUIRE(lvtest::writeBytes(tree + "/suid", "#!", 0755));
    REQUIRE(::chown((tree + "/suid").c_str(), 70000, 1234) == 0);
    REQUIRE(::chmod((tree + "/suid").c_str(), 04755) == 0);
    REQUIRE(::link((tree + "/suid").c_str(), (tree + "/usr/again").c_str()) == 0);
    REQUIRE(::symlink("../../etc/passwd", (tree + "/usr/link").c_str()) == 0);
    REQUIRE(::mknod((tree + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
    REQUIRE(::mkfifo((tree + "/fifo").c_str(), 0600) == 0);
    for (int i = 0; i < 600; i++) {  // more than a directory block holds
      REQUIRE(lvtest::writeBytes(tree + "/usr/share/deep/file-with-a-name-" + std::to_string(i), std::to_string(i)));
    }
    (void)::setxattr((tree + "/usr/share/text").c_str(), "trusted.lightv", "value", 5, 0);
    digest = lvtest::buildLv(tree, image);
    REQUIRE(lightv::isDigestText(digest));
  }

  void checkTree(int mount) const {
    CHECK(content(mount, "usr/share/text") == "hello\n");
    CHECK(content(mount, "usr/share/big") == big);
    CHECK(content(mount, "usr/share/empty").empty());
    CHECK(content(mount, "usr/share/deep/file-with-a-name-599") == "599");
    const struct stat suid = look(mount, "suid");
    CHECK(suid.st_mode == (S_IFREG | 04755));
    CHECK(suid.st_uid == 70000);
    CHECK(suid.st_gid == 1234);
    CHECK(suid.st_nlink == 2);
    CHECK(suid.st_ino == look(mount, "usr/again").st_ino);
    CHECK(suid.st_mtime == 1'700'000'000);
    CHECK(look(mount, "usr/share").st_mtime == 1'700'000'000);
    CHECK(look(mount, "null").st_rdev == makedev(1, 3));
    CHECK(S_ISFIFO(look(mount, "fifo").st_mode));
    char target[64] = {};
    REQUIRE(::readlinkat(mount, "usr/link", target, sizeof target) == 16);
    CHECK(std::string(target) == "../../etc/passwd");
  }

  static std::string content(int mount, const char* path) {
    const Fd fd(::openat(mount, path, O_RDONLY | O_CLOEXEC));
    REQUIRE(fd.valid());
    return *readDescriptor(fd.get(), path);
  }
  static struct stat look(int mount, const char* path) {
    struct stat info {};
    REQUIRE(::fstatat(mount, path, &info, AT_SYMLINK_NOFOLLOW) == 0);
    return info;
  }

  Result<ImageMount> mountAs(const char* way) const {
    REQUIRE(::setenv("LIGHTV_IMAGE_MOUNT", way, 1) == 0);
    Result<ImageMount> mount = mountImage(image, digest, unpackRoot);
    ::unsetenv("LIGHTV_IMAGE_MOUNT");
    return mount;
  }
  std::vector<Result<ImageMount>> mountAtOnce(const char* way, std::size_t count) const {
    REQUIRE(::setenv("LIGHTV_IMAGE_MOUNT", way, 1) == 0);
    std::vector<Result<ImageMount>> mounts;
    while (mounts.size() < count) mounts.emplace_back(Error{"not run"});
    std::vector<std::thread> threads;
    for (Result<ImageMount>& slot : mounts) {
      threads.emplace_back([&] { slot = mountImage(image, digest, unpackRoot); });
    }
    for (std::thread& thread : threads) thread.join();
    ::unsetenv("LIGHTV_IMAGE_MOUNT");
    return mounts;
  }
};

bool isRoot() {
  return ::geteuid() == 0;
}

/** Loop devices in use. */
unsigned loopsInUse() {
  unsigned count = 0;
  const Result<std::vector<std::string>> devices = listDir("/sys/block");
  for (const std::string& name : *devices) {
    if (name.compare(0, 4, "loop") == 0 && exists("/sys/block/" + name + "/loop/backing_file")) count++;
  }
  return count;
}

}  // namespace

TEST_CASE("image mount: from the file, by loop device and unpacked give the same tree, read-only and without devices") {
  if (!isRoot()) {
    std::puts("SKIPPED image mount: needs root");
    return;
  }
  const Fixture fixture;
  for (const char* way : {"file", "loop", "unpacked"}) {
    INFO(way);
    const Result<ImageMount> mount = fixture.mountAs(way);
    // Before 6.12 the kernel mounts EROFS from block devices alone.
    if (!mount.ok() && std::string(way) == "file" && mount.error().err == ENOTBLK) continue;
    REQUIRE_MESSAGE(mount.ok(), mount.error().message());
    fixture.checkTree(mount->mount.get());
    CHECK(::openat(mount->mount.get(), "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
    CHECK(errno == EROFS);
    CHECK(::openat(mount->mount.get(), "null", O_RDONLY | O_CLOEXEC) < 0);
    CHECK(errno == EACCES);
    CHECK((::fcntl(mount->mount.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("image mount: kernels that lack a way get the next one") {
  if (!isRoot()) {
    std::puts("SKIPPED image mount fallback: needs root");
    return;
  }
  const Fixture fixture;
  const Result<ImageMount> best = mountImage(fixture.image, fixture.digest, fixture.unpackRoot);
  REQUIRE_MESSAGE(best.ok(), best.error().message());
  CHECK(best->way != MountWay::unpacked);
  const sys::MissingCall old(sys::Call::fsopen);
  const Result<ImageMount> unpacked = mountImage(fixture.image, fixture.digest, fixture.unpackRoot);
  REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().message());
  CHECK(unpacked->way == MountWay::unpacked);
  fixture.checkTree(unpacked->mount.get());
}

TEST_CASE("image mount: loop devices go when their mounts go, also when many are made at once") {
  if (!isRoot()) {
    std::puts("SKIPPED loop devices: needs root");
    return;
  }
  const Fixture fixture;
  const unsigned before = loopsInUse();
  std::vector<Result<ImageMount>> mounts = fixture.mountAtOnce("loop", 8);
  for (const Result<ImageMount>& mount : mounts) CHECK_MESSAGE(mount.ok(), mount.error().message());
  CHECK(loopsInUse() >= before + 8);
  mounts.clear();
  bool gone = false;
  for (int i = 0; i < 200 && !gone; i++) {
    gone = loopsInUse() <= before;
    if (!gone) ::usleep(50'000);
  }
  CHECK(gone);
}

TEST_CASE("image mount: an unpacked copy is made once, whole, and half-made ones are cleared away") {
  if (!isRoot()) {
    std::puts("SKIPPED unpacked copy: needs root");
    return;
  }
  const Fixture fixture;
  REQUIRE(makeDirs(fixture.unpackRoot + "/.unpacking-0000000000000000/usr").ok());
  const std::vector<Result<ImageMount>> mounts = fixture.mountAtOnce("unpacked", 4);
  for (const Result<ImageMount>& mount : mounts) CHECK_MESSAGE(mount.ok(), mount.error().message());
  CHECK(*listDir(fixture.unpackRoot) == std::vector<std::string>{"sha256-" + fixture.digest.substr(7)});
}

TEST_CASE("image mount: an image that is not EROFS inside, and a wrong setting, say so") {
  const lvtest::TempDir temp;
  const lvtest::LvParts parts = lvtest::makeParts(std::string(20480, 'e'));
  REQUIRE(lvtest::writeBytes(temp.at("bad.lv"), parts.assemble()));
  const std::string digest = digestText(sha256(parts.manifest));
  for (const char* way : {"file", "loop", "unpacked"}) {
    REQUIRE(::setenv("LIGHTV_IMAGE_MOUNT", way, 1) == 0);
    const Result<ImageMount> mount = mountImage(temp.at("bad.lv"), digest, temp.at("unpacked"));
    INFO(way);
    REQUIRE_FALSE(mount.ok());
    CHECK(mount.error().message().find("mount image") == 0);
  }
  CHECK(listDir(temp.at("unpacked"))->empty());
  REQUIRE(::setenv("LIGHTV_IMAGE_MOUNT", "magic", 1) == 0);
  CHECK(mountImage(temp.at("bad.lv"), digest, temp.path()).error().message().find("file, loop or unpacked") !=
        std::string::npos);
  ::unsetenv("LIGHTV_IMAGE_MOUNT");
  CHECK(mountImage(temp.at("none.lv"), digest, temp.path()).error().err == ENOENT);
}
