// A request and an image's configuration become a Spec, as `docker create` does it.
#include "engine/merge.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "engine/names.hpp"

using namespace lightv;

namespace {

ImageInfo someImage() {
  ImageInfo image;
  image.digest = "sha256:0";
  image.config.entrypoint = {"/entry"};
  image.config.cmd = {"serve", "--fast"};
  image.config.env = {"PATH=/image", "MODE=image", "GONE=1"};
  image.config.workingDir = "/srv";
  image.config.user = "app";
  image.config.stopSignal = "SIGQUIT";
  image.config.volumes = {"/data", "/cache"};
  image.config.labels = {{"a", "image"}, {"b", "image"}};
  image.budgetMemory = 1U << 20;
  image.budgetCpusMilli = 500;
  image.budgetPids = 10;
  return image;
}

MergeContext context() {
  return {"0123456789abcdef", "now", "/root", "machine", "", {"v1", "v2", "v3"}};
}

Spec merged(const CreateRequest& request, const ImageInfo& image = someImage()) {
  const auto spec = mergeImage(request, image, context());
  INFO(spec.error().message());
  REQUIRE(spec.ok());
  return *spec;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("merge: what the image says counts where the request is silent") {
  const Spec spec = merged({});
  CHECK(spec.args == Words{"/entry", "serve", "--fast"});
  CHECK(spec.cwd == "/srv");
  CHECK(spec.user == "app");
  CHECK(spec.stopSignal == 3);
  CHECK(spec.hostname == "0123456789ab");
  CHECK(spec.labels.at("a") == "image");
  CHECK(spec.limits.memoryMax == 1U << 20);
  CHECK(spec.limits.cpuQuotaUs == 50000);
  CHECK(spec.limits.pidsMax == 10);
  CHECK(std::count(spec.env.begin(), spec.env.end(), "MODE=image") == 1);
  CHECK(std::count(spec.env.begin(), spec.env.end(), "HOSTNAME=0123456789ab") == 1);
}

TEST_CASE("merge: the request's word goes before the image's") {
  CreateRequest request;
  request.command = {"check"};
  request.spec.cwd = "/";
  request.workdirGiven = request.userGiven = request.stopSignalGiven = request.hostnameGiven = true;
  request.spec.hostname = "mine";
  request.spec.stopSignal = 10;
  request.spec.env = {"MODE=mine", "GONE", "NEW=1"};
  request.spec.labels = {{"a", "mine"}};
  request.spec.limits.pidsMax = 99;
  const Spec spec = merged(request);
  CHECK(spec.args == Words{"/entry", "check"});
  CHECK(spec.cwd == "/");
  CHECK(spec.user.empty());
  CHECK(spec.stopSignal == 10);
  CHECK(spec.hostname == "mine");
  CHECK(spec.labels == std::map<std::string, std::string>{{"a", "mine"}, {"b", "image"}});
  CHECK(spec.limits.pidsMax == 99);
  CHECK(spec.env == Words{"PATH=/image", "HOSTNAME=mine", "MODE=mine", "NEW=1"});
}

TEST_CASE("merge: --entrypoint drops the image's Cmd, and an empty one both") {
  CreateRequest request;
  request.entrypoint = Words{"/other"};
  CHECK(merged(request).args == Words{"/other"});
  request.command = {"x"};
  CHECK(merged(request).args == Words{"/other", "x"});
  request.entrypoint = Words{""};
  CHECK(merged(request).args == Words{"x"});
  request.command.clear();
  const auto none = mergeImage(request, someImage(), context());
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message().find("no command specified") != std::string::npos);
}

TEST_CASE("merge: volumes get their places, the image's too unless something is mounted there") {
  CreateRequest request;
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/own", .volume = "named"},
                         {.kind = MountKind::tmpfs, .target = "/cache"}};
  const Spec spec = merged(request);
  REQUIRE(spec.mounts.size() == 3);
  CHECK(spec.mounts[0].source == "/root/volumes/named/_data");
  CHECK(spec.mounts[2].target == "/data");
  CHECK(spec.mounts[2].volume == "v1");
  request.spec.mounts = {{.kind = MountKind::tmpfs, .target = "//data/./"}};
  const Spec covered = merged(request);
  REQUIRE(covered.mounts.size() == 2);
  CHECK(covered.mounts[0].target == "/data");
  CHECK(covered.mounts[1].target == "/cache");
  request.spec.mounts = {{.kind = MountKind::volume, .target = "/own", .volume = "../../etc"}};
  CHECK(mergeImage(request, someImage(), context()).error().err == EINVAL);
  request.spec.mounts = {{.kind = MountKind::bind, .source = "relative", .target = "/own"}};
  CHECK(mergeImage(request, someImage(), context()).error().err == EINVAL);
}

TEST_CASE("merge: rights are few by default, more or fewer as asked, all when privileged") {
  const auto has = [](const Spec& spec, const char* name) {
    return std::count(spec.capabilities.begin(), spec.capabilities.end(), name) == 1;
  };
  CreateRequest request;
  CHECK(has(merged(request), "CHOWN"));
  CHECK_FALSE(has(merged(request), "SYS_ADMIN"));
  request.capAdd = {"CAP_SYS_ADMIN"};
  request.capDrop = {"chown"};
  CHECK(has(merged(request), "SYS_ADMIN"));
  CHECK_FALSE(has(merged(request), "CHOWN"));
  request.capAdd = {"SUPERPOWER"};
  CHECK(mergeImage(request, someImage(), context()).error().message().find("SUPERPOWER") != std::string::npos);
  CreateRequest privileged;
  privileged.privileged = true;
  const Spec spec = merged(privileged);
  CHECK(has(spec, "SYS_ADMIN"));
  CHECK_FALSE(spec.seccomp);
  CHECK_FALSE(spec.noNewPrivileges);
  CHECK_FALSE(spec.maskPaths);
}

TEST_CASE("merge: what makes no sense is refused") {
  CreateRequest request;
  request.spec.autoRemove = true;
  request.spec.restart.when = RestartWhen::always;
  CHECK(mergeImage(request, someImage(), context()).error().err == EINVAL);
  ImageInfo image = someImage();
  image.config.workingDir = "srv";
  CHECK(mergeImage({}, image, context()).error().message().find("absolute path") != std::string::npos);
  image = someImage();
  image.config.stopSignal = "SIGNOTHING";
  CHECK(mergeImage({}, image, context()).error().message().find("SIGNOTHING") != std::string::npos);
}

TEST_CASE("merge: architectures have Go's names") {
  CHECK(goArchitecture("x86_64") == "amd64");
  CHECK(goArchitecture("aarch64") == "arm64");
  CHECK(goArchitecture("riscv64") == "riscv64");
}

TEST_CASE("request: the agent's JSON fills a request and remembers what was given") {
  const auto request = parseCreateRequest(
      R"({"image":"web:1","command":["run"],"capDrop":["ALL"],"user":"","env":["A=1"],"network":"host",
          "mounts":[{"kind":"volume","volume":"data","target":"/data"}],"limits":{"pidsMax":5}})");
  INFO(request.error().message());
  REQUIRE(request.ok());
  CHECK(request->image == "web:1");
  CHECK(request->command == Words{"run"});
  CHECK_FALSE(request->entrypoint.has_value());
  CHECK(request->userGiven);
  CHECK_FALSE(request->workdirGiven);
  CHECK(request->spec.network == Network::host);
  CHECK(request->spec.mounts[0].volume == "data");
}

TEST_CASE("request: keys that are unknown, or that create fills, are refused by name") {
  for (const char* key : {"imgae", "args", "id", "capabilities", "imageDigest"}) {
    const auto request = parseCreateRequest(std::string(R"({"image":"x",")") + key + R"(":"v"})");
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().message().find(key) != std::string::npos);
  }
  CHECK(parseCreateRequest("{}").error().message().find("image") != std::string::npos);
}

TEST_CASE("names: Docker's rule, and generated ones keep it") {
  for (const char* good : {"ab", "a.b", "A-1", "0_", "web-1.2_x"}) CHECK(isSandboxName(good));
  for (const char* bad : {"", "a", ".a", "-a", "_a", "a/b", "a b", "..", "ä1"}) CHECK_FALSE(isSandboxName(bad));
  for (unsigned attempt = 0; attempt < 10; attempt++) CHECK(isSandboxName(*generateName(attempt)));
  CHECK(isSandboxId(*randomHex(16)));
}
