// Profiles of the user's own: what is read, what is refused and where, and what the compiled program says.
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/seccomp_profile.hpp"
#include "core/seccomp_table.hpp"
#include "filter_machine.hpp"
#include "sys/file.hpp"

using namespace lightv;
using lightv::test::evaluate;

namespace {

constexpr ProfileFacts facts{SyscallArch::x86_64, 0, {6, 1}};

std::string errorOf(const std::string& json) {
  const Result<SeccompProfile> profile = parseSeccompProfile(json, SyscallArch::x86_64);
  return profile ? "" : profile.error().detail;
}

std::vector<sock_filter> compiled(const std::string& json, const ProfileFacts& where = facts) {
  const Result<SeccompProfile> profile = parseSeccompProfile(json, where.arch);
  REQUIRE_MESSAGE(profile.ok(), (profile ? "" : profile.error().message()));
  Result<std::vector<sock_filter>> program = compileProfile(*profile, where);
  REQUIRE(program.ok());
  return std::move(*program);
}

std::uint32_t ask(const std::vector<sock_filter>& program, std::uint32_t number,
                  const std::vector<std::uint64_t>& arguments = {}, std::uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  for (std::size_t i = 0; i < arguments.size(); i++) data.args[i] = arguments[i];
  return evaluate(program, data);
}

std::string profileOf(const std::string& rules, const std::string& more = "") {
  return R"({"defaultAction":"SCMP_ACT_ERRNO",)" + more + R"("syscalls":[)" + rules + "]}";
}

constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::uint32_t readCall = 0, personalityCall = 135, cloneCall = 56, openat2Call = 437;  // x86-64

/** What `personality` gets for an argument under one comparison. */
bool holds(const std::string& compare, std::uint64_t value, std::uint64_t valueTwo, std::uint64_t argument) {
  const std::vector<sock_filter> program = compiled(profileOf(
      R"({"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":)" + std::to_string(value) +
      R"(,"valueTwo":)" + std::to_string(valueTwo) + R"(,"op":"SCMP_CMP_)" + compare + "\"}]}"));
  return ask(program, personalityCall, {argument}) == SECCOMP_RET_ALLOW;
}

}  // namespace

TEST_CASE("system calls by name: sorted, and the numbers are the kernel's") {
  const auto names = syscallNames();
  CHECK(std::is_sorted(names.begin(), names.end(),
                       [](const SyscallName& a, const SyscallName& b) { return std::strcmp(a.name, b.name) < 0; }));
  const SyscallArch own = profileFacts(0).arch;
  CHECK(syscallNumber(own, "read") == std::uint32_t{SYS_read});
  CHECK(syscallNumber(own, "openat2") == std::uint32_t{SYS_openat2});
  CHECK(syscallNumber(own, "landlock_restrict_self") == std::uint32_t{SYS_landlock_restrict_self});
  CHECK(syscallNumber(SyscallArch::x86_64, "open") == 2U);
  CHECK(syscallNumber(SyscallArch::i386, "open") == 5U);
  CHECK_FALSE(syscallNumber(SyscallArch::arm64, "open").has_value());
  CHECK_FALSE(syscallNumber(own, "no_such_call").has_value());
  CHECK_FALSE(syscallNumber(own, "").has_value());
}

TEST_CASE("seccomp profile: every comparison, over both halves of an argument") {
  constexpr std::uint64_t high = 1ULL << 32;
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{7}, high, high + 7, ~std::uint64_t{0}}) {
    for (const std::uint64_t argument : {std::uint64_t{0}, std::uint64_t{6}, std::uint64_t{7}, std::uint64_t{8}, high,
                                         high + 6, high + 7, high + 8, 2 * high + 7, ~std::uint64_t{0}}) {
      CAPTURE(value);
      CAPTURE(argument);
      CHECK(holds("EQ", value, 0, argument) == (argument == value));
      CHECK(holds("NE", value, 0, argument) == (argument != value));
      CHECK(holds("LT", value, 0, argument) == (argument < value));
      CHECK(holds("LE", value, 0, argument) == (argument <= value));
      CHECK(holds("GT", value, 0, argument) == (argument > value));
      CHECK(holds("GE", value, 0, argument) == (argument >= value));
      CHECK(holds("MASKED_EQ", value, 7, argument) == ((argument & value) == 7));
    }
  }
}

TEST_CASE("seccomp profile: conditions of a rule all hold, rules are tried in turn, an unconditional one decides") {
  const char* two = R"({"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[
      {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]},
      {"name":"clone","action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]})";
  std::vector<sock_filter> program = compiled(profileOf(two));
  CHECK(ask(program, cloneCall, {1, 2}) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, cloneCall, {1, 3}) == SECCOMP_RET_LOG);
  CHECK(ask(program, cloneCall, {2, 2}) == refused);
  program = compiled(profileOf(std::string(two) + R"(,{"names":["clone"],"action":"SCMP_ACT_TRAP"})"));
  CHECK(ask(program, cloneCall, {1, 2}) == SECCOMP_RET_TRAP);
  // runc: an argument named twice makes two rules.
  program = compiled(profileOf(R"({"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[
      {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":5,"op":"SCMP_CMP_EQ"}]})"));
  CHECK(ask(program, cloneCall, {5}) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, cloneCall, {1}) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, cloneCall, {2}) == refused);
}

TEST_CASE("seccomp profile: actions and their errors, by number and by name") {
  const auto action = [](const std::string& rest) {
    return ask(compiled(profileOf(R"({"names":["read"],"action":"SCMP_ACT_)" + rest + "}")), readCall);
  };
  CHECK(action("ALLOW\"") == SECCOMP_RET_ALLOW);
  CHECK(action("KILL\"") == SECCOMP_RET_KILL_THREAD);
  CHECK(action("KILL_THREAD\"") == SECCOMP_RET_KILL_THREAD);
  CHECK(action("KILL_PROCESS\"") == SECCOMP_RET_KILL_PROCESS);
  CHECK(action("TRAP\"") == SECCOMP_RET_TRAP);
  CHECK(action("LOG\"") == SECCOMP_RET_LOG);
  CHECK(action("TRACE\",\"errnoRet\":5") == (SECCOMP_RET_TRACE | 5U));
  CHECK(action("ERRNO\",\"errnoRet\":0") == SECCOMP_RET_ERRNO);
  CHECK(action("ERRNO\",\"errnoRet\":13") == (SECCOMP_RET_ERRNO | EACCES));
  CHECK(action("ERRNO\",\"errno\":\"ENOENT\"") == (SECCOMP_RET_ERRNO | ENOENT));
  const std::vector<sock_filter> program = compiled(
      R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"}]})");
  CHECK(ask(program, personalityCall) == unknown);
}

TEST_CASE("seccomp profile: rules for some sandboxes, kernels and architectures") {
  const std::string rule = R"({"names":["read"],"action":"SCMP_ACT_ALLOW",)";
  const auto allows = [&](const std::string& when, const ProfileFacts& where) {
    return ask(compiled(profileOf(rule + when + "}"), where), readCall) == SECCOMP_RET_ALLOW;
  };
  ProfileFacts admin = facts;
  admin.capabilities = *capabilitySet({"SYS_ADMIN"});
  CHECK(allows(R"("includes":{"caps":["CAP_SYS_ADMIN"]})", admin));
  CHECK_FALSE(allows(R"("includes":{"caps":["CAP_SYS_ADMIN"]})", facts));
  CHECK_FALSE(allows(R"("includes":{"caps":["CAP_SYS_ADMIN","CAP_BPF"]})", admin));
  CHECK_FALSE(allows(R"("excludes":{"caps":["CAP_SYS_ADMIN","CAP_BPF"]})", admin));
  CHECK(allows(R"("excludes":{"caps":["CAP_SYS_ADMIN"]})", facts));
  CHECK(allows(R"("includes":{"minKernel":"4.8"})", facts));
  CHECK(allows(R"("includes":{"minKernel":"6.1"})", facts));
  CHECK_FALSE(allows(R"("includes":{"minKernel":"6.10"})", facts));
  CHECK_FALSE(allows(R"("excludes":{"minKernel":"4.8"})", facts));
  CHECK(allows(R"("includes":{"arches":["arm64","amd64"]})", facts));
  CHECK_FALSE(allows(R"("includes":{"arches":["s390x"]})", facts));
  CHECK_FALSE(allows(R"("excludes":{"arches":["amd64"]},"comment":"","args":null)", facts));
}

TEST_CASE("seccomp profile: other entries are shut unless the profile opens them, and x32's always") {
  const std::string rule = R"({"names":["read","open"],"action":"SCMP_ACT_ALLOW"})";
  constexpr std::uint32_t x32 = 0x40000000;
  for (const char* arch : {R"("architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],)",
                           R"("archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
                           {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],)"}) {
    const std::vector<sock_filter> open = compiled(profileOf(rule, arch));
    CHECK(ask(open, 5, {}, AUDIT_ARCH_I386) == SECCOMP_RET_ALLOW);  // open
    CHECK(ask(open, 2, {}, AUDIT_ARCH_I386) == refused);            // fork
    CHECK(ask(open, 2) == SECCOMP_RET_ALLOW);
    CHECK(ask(open, x32) == unknown);
    CHECK(ask(open, 1, {}, AUDIT_ARCH_ARM) == SECCOMP_RET_KILL_PROCESS);
  }
  // A list of what is refused would not hold for the same calls by other numbers.
  const std::vector<sock_filter> all =
      compiled(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"read","action":"SCMP_ACT_ERRNO"}]})");
  CHECK(ask(all, readCall) == refused);
  CHECK(ask(all, 1) == SECCOMP_RET_ALLOW);
  CHECK(ask(all, 1000) == SECCOMP_RET_ALLOW);
  CHECK(ask(all, x32) == unknown);
  CHECK(ask(all, x32 + 519) == unknown);
  CHECK(ask(all, 3, {}, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("seccomp profile: unknown names are left out, and calls newer than the profile are unknown") {
  const std::vector<sock_filter> program =
      compiled(profileOf(R"({"names":["no_such_call","s390_runtime_instr","openat2"],"action":"SCMP_ACT_ALLOW"})"));
  CHECK(ask(program, openat2Call) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, openat2Call - 1) == refused);
  CHECK(ask(program, openat2Call + 1) == unknown);
  CHECK(ask(program, 0xFFFFFFFF) == unknown);
  // A rule that says what the default says is none: Docker's profiles have both.
  CHECK(
      ask(compiled(profileOf(R"({"name":"read","action":"SCMP_ACT_ERRNO"},{"name":"read","action":"SCMP_ACT_ALLOW"})")),
          readCall) == SECCOMP_RET_ALLOW);
}

TEST_CASE("seccomp profile: what is wrong is told with its place, and is never taken for no profile") {
  const auto rule = [](const std::string& text) { return errorOf(profileOf(text)); };
  CHECK(errorOf("") == "not JSON: line 1, column 1");
  CHECK(errorOf("{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\",\n  }") == "not JSON: line 3, column 3");
  CHECK(errorOf("[]") == "must be an object");
  CHECK(errorOf("{}") == "defaultAction: is missing");
  CHECK(
      errorOf(R"({"defaultAction":"SCMP_ACT_NOTHING"})").starts_with("defaultAction: must be one of: SCMP_ACT_ALLOW"));
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW"},{"names":["read"],"action":"ALLOW"})")
            .starts_with("syscalls[1].action: must be one of"));
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_NOTIFY"})").starts_with("syscalls[0].action: SCMP_ACT_NOTIFY"));
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_IN"}]})")
            .starts_with("syscalls[0].args[0].op: must be one of"));
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]})") ==
        "syscalls[0].args[0].index: must be a whole number from 0 to 5");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ"}]})") ==
        "syscalls[0].args[0].value: is missing");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":1})") ==
        "syscalls[0].errnoRet: is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"EMANY"})") ==
        "syscalls[0].errno: no error has this name");
  CHECK(rule(R"({"action":"SCMP_ACT_ALLOW"})") == "syscalls[0].names: must be there, or name, and not both");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","arg":[]})") == "unknown key \"syscalls[0].arg\"");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_NOPE"]}})") ==
        "syscalls[0].includes.caps: no capability is called \"CAP_NOPE\"");
  CHECK(rule(R"({"names":["read"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"new"}})") ==
        "syscalls[0].excludes.minKernel: must be a version such as 4.8");
  CHECK(errorOf(profileOf("", R"("architectures":["SCMP_ARCH_PDP11"],)")) ==
        "architectures: no architecture is called \"SCMP_ARCH_PDP11\"");
  CHECK(errorOf(profileOf("", R"("flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"],)")).starts_with("flags: not supported"));
  CHECK(errorOf(std::string(kMaxProfileBytes + 1, ' ')).starts_with("it has more than"));
}

TEST_CASE("seccomp profile: one that would be too long for the kernel is refused") {
  std::string rules;
  for (int i = 0; i < 900; i++) {
    rules += std::string(i == 0 ? "" : ",") +
             R"({"name":"read","action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":)" + std::to_string(i) +
             R"(,"op":"SCMP_CMP_EQ"}]})";
  }
  const Result<SeccompProfile> profile = parseSeccompProfile(profileOf(rules), SyscallArch::x86_64);
  REQUIRE(profile.ok());
  const Result<std::vector<sock_filter>> program = compileProfile(*profile, facts);
  REQUIRE_FALSE(program.ok());
  CHECK(program.error().err == E2BIG);
}

TEST_CASE("seccomp profile: the one that Podman ships, where it is installed") {
  const char* path = "/usr/share/containers/seccomp.json";
  if (!exists(path)) return;
  const Result<std::string> text = readFile(path);
  REQUIRE(text.ok());
  const std::vector<sock_filter> program = compiled(*text);
  MESSAGE("instructions: ", program.size());
  CHECK(program.size() < 1000);
  CHECK(ask(program, readCall) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, cloneCall, {0x11}) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, *syscallNumber(SyscallArch::x86_64, "init_module")) == refused);
  CHECK(ask(program, *syscallNumber(SyscallArch::x86_64, "kexec_load")) != SECCOMP_RET_ALLOW);
  CHECK(ask(program, personalityCall, {0}) == SECCOMP_RET_ALLOW);
  CHECK(ask(program, personalityCall, {0x400000}) != SECCOMP_RET_ALLOW);
  CHECK(ask(program, 3, {}, AUDIT_ARCH_I386) == SECCOMP_RET_ALLOW);
  ProfileFacts arm = facts;
  arm.arch = SyscallArch::arm64;
  CHECK(ask(compiled(*text, arm), 63, {}, AUDIT_ARCH_AARCH64) == SECCOMP_RET_ALLOW);
}
