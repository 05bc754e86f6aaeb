// Names of images, and the store's directory.
#include "image/store.hpp"

#include <doctest/doctest.h>

#include "lv_builder.hpp"

using namespace lightv;

namespace {

std::string normal(std::string_view name) {
  const Result<std::string> result = normalizeImageName(name);
  return result ? *result : "refused";
}

/** A store with one image in it. */
struct Fixture {
  lvtest::TempDir temp;
  ImageStore store{temp.path()};
  std::string digest;

  Fixture() { digest = add("test:latest"); }
  std::string add(const std::string& name) {
    lvtest::LvOptions options;
    options.name = name;
    const lvtest::LvParts parts = lvtest::makeParts(std::string(8192, 'e'), options);
    const std::string made = digestText(sha256(parts.manifest));
    REQUIRE(makeDirs(temp.at("images")).ok());
    REQUIRE(lvtest::writeBytes(store.imagePath(made), parts.assemble()));
    return made;
  }
  [[nodiscard]] std::string resolved(const std::string& image) const {
    std::string path;
    const Result<ImageInfo> info = store.resolve(image, path);
    return info ? info->digest : info.error().message();
  }
};

}  // namespace

TEST_CASE("image name: Docker's names pass, with the tag filled in") {
  CHECK(normal("busybox") == "busybox:latest");
  CHECK(normal("busybox:1.36") == "busybox:1.36");
  CHECK(normal("shop/web") == "shop/web:latest");
  CHECK(normal("localhost:5000/a/b:x") == "localhost:5000/a/b:x");
  CHECK(normal("registry.example/a__b/c--d.e:V1_2.3-x") == "registry.example/a__b/c--d.e:V1_2.3-x");
  CHECK(normal("REG.example:443/app") == "REG.example:443/app:latest");
  CHECK(normal("[2001:db8::1]:5000/app") == "[2001:db8::1]:5000/app:latest");
  CHECK(normal("a:" + std::string(128, 't')) == "a:" + std::string(128, 't'));
}

TEST_CASE("image name: what Docker refuses is refused") {
  for (const char* name : {"",
                           ":tag",
                           "a:",
                           "A",
                           "a b",
                           "-a",
                           "a-",
                           "a..b",
                           "a___b",
                           "a._b",
                           "/a",
                           "a/",
                           "a//b",
                           "a/../b",
                           "..",
                           ".",
                           "a:b:c",
                           "a:-x",
                           "a:.x",
                           "host:99999/a",
                           "host:x/a",
                           "-h.example/a",
                           "[::1/a",
                           "[]/a",
                           "a@sha256:00",
                           "a%2Fb",
                           "a\nb",
                           "sha256:0123456789abcdef",
                           "Shop/Web"}) {
    INFO(name);
    CHECK(normal(name) == "refused");
  }
  CHECK(normal(std::string(256, 'a')) == "refused");
  CHECK(normal("a:" + std::string(129, 't')) == "refused");
  CHECK(normal(std::string_view("a\0b", 3)) == "refused");
}

TEST_CASE_FIXTURE(Fixture, "image store: an image is found by name, digest, prefix and path") {
  REQUIRE(store.tag(digest, "localhost:5000/shop/web:1").ok());
  CHECK(resolved("localhost:5000/shop/web:1") == digest);
  CHECK(resolved(digest) == digest);
  CHECK(resolved(digest.substr(7, 12)) == digest);
  CHECK(resolved(digest.substr(0, 7 + 12)) == digest);
  CHECK(resolved(store.imagePath(digest)) == digest);
  CHECK(resolved(digest.substr(7, 11)).find("No such image") == 0);
  CHECK(resolved("nothing").find("No such image") == 0);
  CHECK(resolved("sha256:" + std::string(64, '0')).find("No such image") == 0);
  CHECK(resolved("./none.lv").find("No such file") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "image store: a prefix of two images is refused, a name wins over a prefix") {
  const std::string other = add("other:latest");
  CHECK(store.digests()->size() == 2);
  const std::string name = other.substr(7, 12);  // looks like the start of a digest
  REQUIRE(store.tag(digest, name).ok());
  CHECK(resolved(name) == digest);
}

TEST_CASE_FIXTURE(Fixture, "image store: names are listed, replaced and removed") {
  CHECK(store.refs()->empty());
  REQUIRE(store.tag(digest, "b/c:1").ok());
  REQUIRE(store.tag(digest, "a").ok());
  REQUIRE(store.tag(add("other:latest"), "a:latest").ok());
  const auto refs = store.refs();
  REQUIRE(refs->size() == 2);
  CHECK((*refs)[0].name == "a:latest");
  CHECK((*refs)[0].digest != digest);
  CHECK((*refs)[1].name == "b/c:1");
  CHECK((*refs)[1].digest == digest);
  REQUIRE(store.untag("a").ok());
  CHECK(store.refs()->size() == 1);
  CHECK(store.untag("a").error().err == ENOENT);
}

TEST_CASE_FIXTURE(Fixture, "image store: what lies around in the directories is not taken for images or names") {
  REQUIRE(store.tag(digest, "a").ok());
  REQUIRE(lvtest::writeBytes(temp.at("refs/a:latest.0123456789abcdef.tmp"), digest + "\n"));
  REQUIRE(lvtest::writeBytes(temp.at("refs/UPPER:x"), digest + "\n"));
  REQUIRE(lvtest::writeBytes(temp.at("refs/a%2fb:x"), digest + "\n"));
  REQUIRE(lvtest::writeBytes(temp.at("images/sha256-12.lv"), "x"));
  REQUIRE(lvtest::writeBytes(temp.at("images/sha256-" + std::string(64, 'a') + ".xx"), "x"));
  CHECK(store.refs()->size() == 1);
  CHECK(store.digests()->size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "image store: only an image that is here gets a name, and only by its digest") {
  CHECK(store.tag("sha256:" + std::string(64, '0'), "a").error().err == ENOENT);
  CHECK_FALSE(store.tag("sha256:../../x", "a").ok());
  CHECK_FALSE(store.removeImage("sha256:../../x").ok());
  CHECK_FALSE(store.tag(digest, std::string(200, 'a') + ":" + std::string(100, 't')).ok());
}

TEST_CASE_FIXTURE(Fixture, "image store: a name without its file, a broken name and a renamed file say so") {
  REQUIRE(store.tag(digest, "a").ok());
  const std::string other = "sha256:" + std::string(64, 'b');
  REQUIRE(::rename(store.imagePath(digest).c_str(), store.imagePath(other).c_str()) == 0);
  CHECK(resolved("a").find("No such image") == 0);
  CHECK(resolved(other).find("not its name's") != std::string::npos);
  REQUIRE(lvtest::writeBytes(temp.at("refs/a:latest"), "garbage\n"));
  CHECK(resolved("a").find("holds no digest") != std::string::npos);
  CHECK_FALSE(store.refs().ok());
}

TEST_CASE_FIXTURE(Fixture, "image store: removing an image takes its unpacked copy along") {
  const std::string unpacked = temp.at("unpacked/sha256-" + digest.substr(7));
  REQUIRE(makeDirs(unpacked + "/usr/bin").ok());
  REQUIRE(store.removeImage(digest).ok());
  CHECK_FALSE(exists(unpacked));
  CHECK_FALSE(exists(store.imagePath(digest)));
  CHECK(store.removeImage(digest).error().err == ENOENT);
}

TEST_CASE("image store: an empty root has no images and no names") {
  const lvtest::TempDir temp;
  const ImageStore store(temp.at("nothing"));
  CHECK(store.refs()->empty());
  CHECK(store.digests()->empty());
}
