// The header and the manifest: what is refused, and by which words.
#include <doctest/doctest.h>

#include "image/header.hpp"
#include "image/image.hpp"
#include "lv_builder.hpp"

using namespace lightv;
using lvtest::LvParts;

namespace {

// Enough for everything that does not mount: no mkfs needed, and no file system is looked at.
LvParts plainParts(const lvtest::LvOptions& options = {}) {
  return lvtest::makeParts(std::string(20480, 'e'), options);
}

Result<ImageInfo> parse(const std::string& file, const LvParts& parts) {
  return parseImage(std::string_view(file).substr(0, 1024), parts.manifest, file.size());
}
Result<ImageInfo> parse(const LvParts& parts) {
  return parse(parts.assemble(), parts);
}

// What a change of the manifest is refused with; lays the sections out anew, so that only the manifest is wrong.
std::string manifestError(std::string_view from, const std::string& to) {
  LvParts parts = plainParts();
  const std::size_t at = parts.manifest.find(from);
  REQUIRE(at != std::string::npos);
  parts.manifest.replace(at, from.size(), to);
  lvtest::layOut(parts);
  const Result<ImageInfo> info = parse(parts);
  return info ? "accepted" : info.error().message();
}

std::string configError(const std::string& config) {
  return manifestError(R"({"Cmd":["/bin/true"]})", config);
}

void checkHas(const std::string& text, std::string_view part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("image read: a right image tells everything that is in it") {
  lvtest::LvOptions options;
  options.name = "shop/web:1.2";
  options.budget = R"({"cpus":1500,"memory":67108864,"pids":50})";
  options.config =
      R"({"Cmd":["-g","daemon off;"],"Entrypoint":["/usr/sbin/nginx"],"Env":["A=b"],"ExposedPorts":{"80/tcp":{}},)"
      R"("Healthcheck":{"Interval":5000000000,"Retries":3,"Test":["CMD","/bin/check"]},"Labels":{"k":"v"},)"
      R"("StopSignal":"SIGQUIT","User":"33","Volumes":{"/data":{}},"WorkingDir":"/srv"})";
  const LvParts parts = plainParts(options);
  const Result<ImageInfo> info = parse(parts);
  REQUIRE_MESSAGE(info.ok(), info.error().message());
  CHECK(info->name == "shop/web:1.2");
  CHECK(info->digest == digestText(sha256(parts.manifest)));
  CHECK(info->manifestJson == parts.manifest);
  CHECK(info->config.entrypoint == std::vector<std::string>{"/usr/sbin/nginx"});
  CHECK(info->config.cmd == std::vector<std::string>{"-g", "daemon off;"});
  CHECK(info->config.exposedPorts == std::vector<std::string>{"80/tcp"});
  CHECK(info->config.volumes == std::vector<std::string>{"/data"});
  CHECK(info->config.labels.at("k") == "v");
  CHECK(info->config.stopSignal == "SIGQUIT");
  REQUIRE(info->config.healthcheck.has_value());
  CHECK(info->config.healthcheck->intervalNs == 5'000'000'000);
  CHECK(info->config.healthcheck->retries == 3);
  CHECK(info->budgetMemory == 67108864U);
  CHECK(info->budgetCpusMilli == 1500U);
  CHECK(info->budgetPids == 50U);
  CHECK(info->erofsSize == 20480);
  CHECK(info->chunkCount == 1);
}

TEST_CASE("image read: an image for another architecture is read like any other") {
  lvtest::LvOptions options;
  options.architecture = "riscv64";
  const Result<ImageInfo> info = parse(plainParts(options));
  REQUIRE(info.ok());
  CHECK(info->architecture == "riscv64");
}

TEST_CASE("image read: any flipped bit of the header is noticed") {
  const LvParts parts = plainParts();
  const std::string file = parts.assemble();
  for (std::size_t byte = 0; byte < 1024; byte++) {
    for (int bit = 0; bit < 8; bit++) {
      std::string broken = file;
      broken[byte] = static_cast<char>(broken[byte] ^ (1 << bit));
      INFO("byte " << byte << " bit " << bit);
      CHECK_FALSE(parse(broken, parts).ok());
    }
  }
}

TEST_CASE("image read: each header field is checked also when the CRC is right") {
  struct Case {
    std::size_t offset;
    std::uint64_t value;
    unsigned size;
    const char* error;
  };
  const LvParts parts = plainParts();
  const std::uint64_t size = parts.fileSize;
  const Case cases[] = {
      {0, 0x88, 1, "magic"},
      {8, 2, 2, "version 2"},
      {12, 512, 4, "header size"},
      {16, 1, 4, "flags"},
      {20, 0, 4, "section count"},
      {20, 17, 4, "section count"},
      {20, 0xFFFFFFFF, 4, "section count"},
      {20, 2, 4, "unused sections"},
      {20, 4, 4, "section 3: type is zero"},
      {24, size + 4096, 8, "file size"},
      {64, 9, 4, "section type 9 is unknown"},
      {32, 2, 4, "below 4096"},
      {36, 2, 4, "reserved"},
      {40, 4096, 8, "overlap"},
      {48, 4095, 8, "EROFS section: length"},
      {48, 0, 8, "length is zero"},
      {48, size + 4096, 8, "outside"},
      {48, ~0ULL, 8, "outside"},
      {56, 1, 8, "reserved"},
      {72, ~0ULL - 100, 8, "outside"},
      {72, 16384, 8, "overlap"},
      {80, 7, 8, "manifest"},
      {96, 2, 4, "twice"},
      {112, 47, 8, "whole entries"},
      {544, 1, 1, "reserved bytes"},
      {1019, 1, 1, "reserved bytes"},
  };
  for (const Case& c : cases) {
    std::string file = parts.assemble();
    std::memcpy(file.data() + c.offset, &c.value, c.size);
    LvParts::sealHeader(file);
    const Result<ImageInfo> info = parse(file, parts);
    INFO("offset " << c.offset << " value " << c.value);
    REQUIRE_FALSE(info.ok());
    checkHas(info.error().message(), c.error);
  }
}

TEST_CASE("image read: a minor version and an optional section of the future are accepted") {
  LvParts parts = plainParts();
  parts.sections.push_back({77, 1, parts.fileSize, 100, 0});
  parts.fileSize += 4096;
  std::string file = parts.assemble();
  lvtest::put<std::uint16_t>(file, 10, 3);
  LvParts::sealHeader(file);
  CHECK(parse(file, parts).ok());
  lvtest::put<std::uint32_t>(file, 32 + 3 * 32 + 4, 0);  // not optional any more
  LvParts::sealHeader(file);
  CHECK_FALSE(parse(file, parts).ok());
}

TEST_CASE("image read: sections that are missing, too long, or can't be true are refused") {
  const auto errorOf = [](auto change) {
    LvParts parts = plainParts();
    change(parts);
    const Result<ImageInfo> info = parse(parts);
    return info ? std::string("accepted") : info.error().message();
  };
  checkHas(errorOf([](LvParts& p) { p.sections.erase(p.sections.begin()); }), "EROFS section is missing");
  checkHas(errorOf([](LvParts& p) { p.sections.erase(p.sections.begin() + 1); }), "manifest section is missing");
  checkHas(errorOf([](LvParts& p) { p.sections.pop_back(); }), "chunk table section is missing");
  checkHas(errorOf([](LvParts& p) {
             p.manifest.resize((1 << 20) + 1, ' ');
             lvtest::layOut(p);
           }),
           "longer than 1 MiB");
  checkHas(errorOf([](LvParts& p) {
             p.chunkTable.resize(48 * 20000);
             lvtest::layOut(p);
           }),
           "can't cover");
  checkHas(errorOf([](LvParts& p) {
             p.erofs.resize(3 << 20);
             lvtest::layOut(p);
           }),
           "can't cover");
}

TEST_CASE("image read: a manifest of wrong types is refused, naming the key") {
  checkHas(manifestError(R"("schemaVersion":1)", R"("schemaVersion":2)"), "schemaVersion");
  checkHas(manifestError(R"("schemaVersion":1)", R"("schemaVersion":"1")"), "schemaVersion");
  checkHas(manifestError(R"("name":"test:latest")", R"("name":5)"), "name");
  checkHas(manifestError(R"("name":"test:latest")", R"("name":"\u001b[2J")"), "name");
  checkHas(manifestError(R"(,"os":"linux")", ""), "os: is missing");
  checkHas(manifestError("linux", "windows"), "os");
  checkHas(manifestError(lvtest::kHere, "AMD 64"), "architecture");
  checkHas(manifestError("2023-11-14T", "14.11.2023 "), "created");
  checkHas(manifestError("4096", "512"), "erofs.blockSize");
  checkHas(manifestError("20480", "24576"), "erofs.size");
  checkHas(manifestError(R"("count":1)", R"("count":2)"), "chunks.count");
  checkHas(manifestError(R"("count":1)", R"("count":-1)"), "chunks.count");
  checkHas(manifestError(R"("size":48)", R"("size":96)"), "chunks.size");
  checkHas(manifestError("\"digest\":\"sha256:", "\"digest\":\"sha512:"), "chunks.digest");
  checkHas(manifestError(R"("os":)", R"("extra":1,"os":)"), "extra");
  checkHas(manifestError(R"("os":)", R"("budget":{"memory":"64m"},"os":)"), "budget.memory");
}

TEST_CASE("image read: the configuration is strict about types and lets unknown keys be") {
  checkHas(configError(R"({"Cmd":"sh"})"), "config.Cmd");
  checkHas(configError(R"({"Env":[1]})"), "config.Env");
  checkHas(configError(R"({"ExposedPorts":["80"]})"), "config.ExposedPorts");
  checkHas(configError(R"({"Healthcheck":{"Retries":-1}})"), "config.Healthcheck.Retries");
  checkHas(configError(R"({"Labels":{"a":1}})"), "config.Labels");
  checkHas(configError(R"([])"), "config");
  CHECK(configError(R"({"ArgsEscaped":true,"Cmd":null,"OnBuild":[{"x":[]}]})") == "accepted");
}

TEST_CASE("image read: a manifest has one text only") {
  const char* canonical = "not canonical";
  checkHas(manifestError(R"("os":"linux")", R"("os": "linux")"), canonical);
  checkHas(manifestError(R"("os":"linux")", R"("os":"\u006cinux")"), canonical);
  checkHas(manifestError(R"("os":"linux")", R"("os":"linux","os":"linux")"), canonical);
  checkHas(configError(R"({"X":1.5})"), canonical);
  checkHas(configError(R"({"X":1e2})"), canonical);
  checkHas(configError(R"({"b":1,"a":1})"), canonical);
  CHECK(configError("{\"Labels\":{\"\xF0\x9F\x98\x80\":\"\",\"\xEF\xBC\x81\":\"\"}}") == "accepted");  // by UTF-16
  checkHas(configError("{\"Labels\":{\"\xEF\xBC\x81\":\"\",\"\xF0\x9F\x98\x80\":\"\"}}"), canonical);
  checkHas(configError("{\"X\":\"\xFF\"}"), "not JSON");
  checkHas(configError("{\"X\":" + std::string(5000, '[') + std::string(5000, ']') + "}"), "too deep");
}

TEST_CASE("image read: a file that is cut at any place is refused and says how long it is") {
  const lvtest::TempDir temp;
  const std::string file = plainParts().assemble();
  const std::size_t lengths[] = {
      0, 1, 7, 8, 1023, 1024, 4095, 4096, 20479, 20480, 20500, file.size() - 4096, file.size() - 1};
  for (const std::size_t length : lengths) {
    REQUIRE(lvtest::writeBytes(temp.at("cut.lv"), std::string_view(file).substr(0, length)));
    const Result<ImageInfo> info = readImageFile(temp.at("cut.lv"));
    INFO("length " << length);
    REQUIRE_FALSE(info.ok());
    checkHas(info.error().message(), temp.at("cut.lv"));
    checkHas(info.error().message(), std::to_string(length) + " bytes");
  }
  REQUIRE(lvtest::writeBytes(temp.at("long.lv"), file + "x"));
  CHECK_FALSE(readImageFile(temp.at("long.lv")).ok());
}

TEST_CASE("image read: what is no regular file is refused at once") {
  const lvtest::TempDir temp;
  REQUIRE(::mkfifo(temp.at("fifo.lv").c_str(), 0600) == 0);
  CHECK_FALSE(readImageFile(temp.at("fifo.lv")).ok());
  CHECK_FALSE(readImageFile(temp.path()).ok());
  CHECK(readImageFile(temp.at("none.lv")).error().err == ENOENT);
}
