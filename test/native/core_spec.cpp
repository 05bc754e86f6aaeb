// The Spec as JSON, and the strict reader and the writer below it.
#include <doctest/doctest.h>

#include <random>

#include "core/spec.hpp"
#include "core/spec_json.hpp"
#include "sys/json.hpp"

using namespace lightv;

namespace {

Spec fullSpec() {
  Spec spec;
  spec.id = "0123456789abcdef";
  spec.name = "web";
  spec.imageName = "nginx:latest";
  spec.imageDigest = "sha256:00";
  spec.imagePath = "/var/lib/lightv/images/x.lv";
  spec.created = "2026-01-02T03:04:05.000000006Z";
  spec.args = {"sh", "-c", ""};
  spec.env = {"A=1", "B="};
  spec.cwd = "/srv";
  spec.user = "app:more";
  spec.groupAdd = {"1"};
  spec.hostname = "box";
  spec.terminal = spec.openStdin = spec.readOnlyRoot = spec.autoRemove = true;
  spec.init = spec.noNewPrivileges = spec.seccomp = spec.maskPaths = false;
  spec.mounts = {{MountKind::volume, "/v/_data", "/data", true, 0, 01777, "data"},
                 {MountKind::tmpfs, "", "/t", false, 4096, 0700}};
  spec.devices = {"/dev/ttyS0"};
  spec.network = Network::host;
  spec.userns = UserNamespace::automatic;
  spec.cgroupParent = "/x/y";
  spec.limits.memoryMax = 1U << 30;
  spec.limits.memoryHigh = 1;
  spec.limits.swapMax = 0;
  spec.limits.cpuQuotaUs = 50000;
  spec.limits.cpusetCpus = "0-1";
  spec.limits.pidsMax = 7;
  spec.limits.io = {{"/dev/sda", 1, 2, 3, 4}};
  spec.rlimits = {{"nofile", 10, ~0ULL}};
  spec.capabilities = {"CHOWN"};
  spec.oomScoreAdj = -5;
  spec.stopSignal = 10;
  spec.stopTimeoutMs = 0;
  spec.restart = {RestartWhen::onFailure, 3};
  spec.log = {8192, 5, false};
  spec.labels = {{"a", "b"}, {"", "\n"}};
  spec.annotations = {{"app", "web"}};
  return spec;
}

std::string errorOf(const char* json) {
  const Result<Spec> spec = parseSpec(json);
  return spec ? "no error" : spec.error().message();
}

unsigned below(std::mt19937& random, unsigned bound) {
  return static_cast<unsigned>(random() % bound);
}

/** Any text that JSON can hold: controls, quotes, all planes of Unicode; no NUL, which no argument can hold. */
std::string randomText(std::mt19937& random) {
  std::string out;
  const unsigned length = below(random, 12);
  for (unsigned i = 0; i < length; i++) {
    const unsigned kind = below(random, 4);
    std::uint32_t code = kind == 0   ? 1 + below(random, 0x1F)
                         : kind == 1 ? 0x20 + below(random, 0x60)
                         : kind == 2 ? 0x80 + below(random, 0xD000)
                                     : 0x10000 + below(random, 0x100000);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("limits alone are read as strictly as in a configuration, and what is absent is not limited") {
  const Result<Limits> limits = parseLimits(R"({"memoryMax":4096,"cpuQuotaUs":20000})");
  REQUIRE(limits);
  Limits expected;
  expected.memoryMax = 4096;
  expected.cpuQuotaUs = 20000;
  CHECK(*limits == expected);
  CHECK(parseLimits("{}"));
  for (const char* wrong : {"[]", R"({"memory":1})", R"({"memoryMax":-1})", R"({"pidsMax":"many"})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parseLimits(wrong));
  }
}

TEST_CASE("spec: what is written is what is read") {
  for (const Spec& spec : {Spec(), fullSpec()}) {
    const Result<Spec> read = parseSpec(toJson(spec));
    REQUIRE_MESSAGE(read.ok(), (read.ok() ? "" : read.error().message()));
    CHECK(*read == spec);
    CHECK(toJson(*read) == toJson(spec));
  }
}

TEST_CASE("spec: odd strings survive") {
  std::mt19937 random(20240117);
  for (int round = 0; round < 2000; round++) {
    Spec spec;
    spec.name = randomText(random);
    spec.args = {randomText(random), randomText(random)};
    spec.env = {randomText(random)};
    spec.user = randomText(random);
    spec.cwd = "/" + randomText(random);
    spec.mounts = {{MountKind::bind, randomText(random), "/" + randomText(random)}};
    spec.labels[randomText(random)] = randomText(random);
    spec.limits.cpuShares = 2 + below(random, 262143);
    const Result<Spec> read = parseSpec(toJson(spec));
    REQUIRE_MESSAGE(read.ok(), toJson(spec));
    REQUIRE(*read == spec);
  }
}

TEST_CASE("spec: absent means the default") {
  const Result<Spec> spec = parseSpec("{}");
  REQUIRE(spec.ok());
  CHECK(*spec == Spec());
}

TEST_CASE("spec: errors name the key") {
  CHECK(errorOf("{") == "config.json: not JSON: Invalid argument");
  CHECK(errorOf("[]") == "config.json: must be an object: Invalid argument");
  CHECK(errorOf(R"({"mounts":[{"kind":"bind","target":"/a"},{"kind":"nfs","target":"/a"}]})")
            .find("mounts[1].kind: must be one of: bind, volume, tmpfs") != std::string::npos);
  CHECK(errorOf(R"({"mounts":[{"kind":"bind","target":"a"}]})").find("mounts[0].target: must be an absolute path") !=
        std::string::npos);
  CHECK(errorOf(R"({"limits":{"pidsMax":0}})").find("limits.pidsMax") != std::string::npos);
  CHECK(errorOf(R"({"limits":{"pidsMax":1.5}})").find("limits.pidsMax") != std::string::npos);
  CHECK(errorOf(R"({"limits":{"memoryMax":-1}})").find("limits.memoryMax") != std::string::npos);
  CHECK(errorOf(R"({"limits":{"memoryMax":18446744073709551615}})").find("limits.memoryMax") != std::string::npos);
  CHECK(errorOf(R"({"terminal":"yes"})").find("terminal: must be true or false") != std::string::npos);
  CHECK(errorOf(R"({"args":"sh"})").find("args: must be an array of strings") != std::string::npos);
  CHECK(errorOf(R"({"args":["a\u0000b"]})").find("NUL") != std::string::npos);
  CHECK(errorOf(R"({"cwd":"relative"})").find("cwd") != std::string::npos);
  CHECK(errorOf(R"({"stopSignal":65})").find("stopSignal") != std::string::npos);
  CHECK(errorOf(R"({"restart":{"policy":"always","maxRetries":2}})").find("restart.maxRetries") != std::string::npos);
  CHECK(errorOf(R"({"id":"../x"})").find("id") != std::string::npos);
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  CHECK(errorOf(("{\"x\":" + deep + "}").c_str()).find("nested too deep") != std::string::npos);
}

TEST_CASE("json writer: bytes that are no UTF-8 become the replacement character") {
  JsonWriter writer;
  writer.beginObject().member("a", std::string("x\xFF\xC0\xAFy\x7F\x01")).endObject();
  CHECK(writer.text() == "{\"a\":\"x\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDy\\u007f\\u0001\"}");
}

TEST_CASE("spec: keys of a newer writer are left out and named, in a configuration but not in a request") {
  const Result<Spec> spec = parseSpec(R"({"cwd":"/x","later":{"a":[1]},"limits":{"memoryMax":5,"gpu":1}})");
  REQUIRE(spec.ok());
  CHECK(spec->cwd == "/x");
  CHECK(*spec->limits.memoryMax == 5);
  CHECK(spec->unknownKeys == std::vector<std::string>{"later", "limits.gpu"});
  CHECK(parseSpec(toJson(*spec))->unknownKeys.empty());
  CHECK(unknownKeysWarning({}).empty());
  CHECK(unknownKeysWarning(spec->unknownKeys) == "without effect, as this version does not know it: later, limits.gpu");
  CHECK(unknownKeysWarning(std::vector<std::string>(100, "k")).ends_with("k, and 92 more"));
}

TEST_CASE("spec: what is unknown stays when the rest is written anew, and nothing that was taken away comes back") {
  const std::string original =
      R"({"later":[1],"limits":{"gpu":1,"memoryMax":5},"mounts":[{"kind":"tmpfs","target":"/t","x":2}]})";
  Result<Spec> spec = parseSpec(original);
  REQUIRE(spec.ok());
  const std::string known = toJson(*spec);
  spec->limits.memoryMax.reset();
  spec->name = "other";
  const std::string after = keepUnknown(toJson(*spec), original, known);
  const Result<Spec> read = parseSpec(after);
  REQUIRE(read.ok());
  CHECK(read->unknownKeys == std::vector<std::string>{"later", "limits.gpu", "mounts[0].x"});
  CHECK_FALSE(read->limits.memoryMax.has_value());
  CHECK(read->name == "other");
  spec->mounts.clear();
  CHECK(parseSpec(keepUnknown(toJson(*spec), original, known))->unknownKeys ==
        std::vector<std::string>{"later", "limits.gpu"});
}
