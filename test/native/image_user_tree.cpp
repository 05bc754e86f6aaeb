// An image's tree for an ordinary user: unpacked once, verified, without what a user namespace can't or mustn't have.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "image/image.hpp"
#include "image/store.hpp"
#include "image/unpacked.hpp"
#include "lv_builder.hpp"

using namespace lightv;
using Strings = std::vector<std::string>;

namespace {

struct Fixture {
  lvtest::TempDir temp;
  std::string image = temp.at("image.lv"), unpackRoot = temp.at("unpacked"), digest;

  Fixture() {
    const std::string tree = temp.at("tree");
    REQUIRE(makeDirs(tree + "/etc", 0755).ok());
    REQUIRE(lvtest::writeBytes(tree + "/etc/text", "hello\n"));
    REQUIRE(::chown((tree + "/etc/text").c_str(), 33, 44) == 0);
    REQUIRE(::mknod((tree + "/disk").c_str(), S_IFBLK | 0666, makedev(254, 0)) == 0);
    REQUIRE(::link((tree + "/disk").c_str(), (tree + "/disk2").c_str()) == 0);
    // An overlay would take it for a whiteout.
    REQUIRE(::mknod((tree + "/etc/passwd").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    REQUIRE(::mkfifo((tree + "/fifo").c_str(), 0600) == 0);
    for (const char* key : {"user.mine", "user.overlay.opaque", "trusted.lightv", "trusted.overlay.opaque"})
      (void)::setxattr((tree + "/etc").c_str(), key, "y", 1, 0);
    digest = lvtest::buildLv(tree, image);
    REQUIRE_FALSE(digest.empty());
  }

  [[nodiscard]] Result<std::string> unpack(const std::string& wanted) const {
    const Result<Fd> fd = openFile(image, O_RDONLY);
    const Result<ImageInfo> info = readImage(fd->get());
    REQUIRE(info.ok());
    return ensureUnpacked(fd->get(), info->erofsSize, wanted, unpackRoot, UnpackFor::user);
  }
};

bool isRoot() {
  if (::geteuid() == 0) return true;
  std::puts("SKIPPED user tree: needs root");
  return false;
}

std::string attributes(const std::string& path) {
  char names[256];
  const ssize_t size = ::listxattr(path.c_str(), names, sizeof names);
  std::string text(names, size < 0 ? 0 : static_cast<std::size_t>(size));
  for (char& c : text) c = c == '\0' ? ' ' : c;
  return text;
}

}  // namespace

TEST_CASE("user tree: devices and overlay's marks are left out, the rest is as in the image") {
  if (!isRoot()) return;
  const Fixture fixture;
  const Result<std::string> tree = fixture.unpack(fixture.digest);
  REQUIRE_MESSAGE(tree.ok(), tree.error().message());
  CHECK(*listDir(*tree) == Strings{"etc", "fifo"});
  CHECK(*listDir(*tree + "/etc") == Strings{"text"});
  CHECK(attributes(*tree + "/etc") == "user.mine ");
  struct stat info {};
  REQUIRE(::stat((*tree + "/etc/text").c_str(), &info) == 0);
  CHECK(info.st_uid == 33);
  CHECK(info.st_gid == 44);
}

TEST_CASE("user tree: a file that is not what its digests say is refused, and nothing of it stays") {
  if (!isRoot()) return;
  const Fixture fixture;
  const std::string other = "sha256:" + std::string(64, 'a');
  CHECK(fixture.unpack(other).error().message().find("its digest is " + fixture.digest) != std::string::npos);
  const Fd file(::open(fixture.image.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::pwrite(file.get(), "X", 1, 3000) == 1);
  const Result<std::string> tree = fixture.unpack(fixture.digest);
  REQUIRE_FALSE(tree.ok());
  CHECK(tree.error().message().find("does not match") != std::string::npos);
  const Result<Strings> left = listDir(fixture.unpackRoot);
  CHECK((!left || left->empty()));
}

TEST_CASE("user tree: several that unpack at once get one tree, and its removal leaves no half by its name") {
  if (!isRoot()) return;
  const Fixture fixture;
  std::vector<std::thread> threads;
  std::vector<int> done(4);
  for (int& slot : done) threads.emplace_back([&] { slot = fixture.unpack(fixture.digest).ok() ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  CHECK(done == std::vector<int>(4, 1));
  const std::string name = "sha256-" + fixture.digest.substr(7);
  CHECK(*listDir(fixture.unpackRoot) == Strings{name});
  CHECK(*ImageStore(fixture.temp.path()).unpacked() == Strings{fixture.digest});
  // A removal that a power cut has ended: the next one that unpacks clears it away.
  REQUIRE(makeDirs(fixture.unpackRoot + "/.unpacking-gone-x/etc").ok());
  REQUIRE(removeUnpacked(fixture.unpackRoot, fixture.digest).ok());
  CHECK(removeUnpacked(fixture.unpackRoot, fixture.digest).ok());
  CHECK(*listDir(fixture.unpackRoot) == Strings{".unpacking-gone-x"});
  REQUIRE(fixture.unpack(fixture.digest).ok());
  CHECK(*listDir(fixture.unpackRoot) == Strings{name});
}
