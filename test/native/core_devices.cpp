// Which devices may be used: the rules, what the compiled program says to every access, and the kernel's own word.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "core/cgroup.hpp"
#include "core/device_rules.hpp"
#include "sandbox_fixture.hpp"
#include "sys/file.hpp"

using namespace lightv;
using lightv::test::SandboxFixture;

namespace {

constexpr int kMake = BPF_DEVCG_ACC_MKNOD;
constexpr int kRead = BPF_DEVCG_ACC_READ;
constexpr int kWrite = BPF_DEVCG_ACC_WRITE;

/** Runs the few instructions that such a filter is made of. -1: one that it may not have. */
int interpret(const std::vector<bpf_insn>& program, const bpf_cgroup_dev_ctx& access) {
  std::array<std::uint64_t, 11> registers{};
  for (std::size_t at = 0; at < program.size(); at++) {
    const bpf_insn& now = program[at];
    std::uint64_t& left = registers.at(now.dst_reg);
    const auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(now.imm));
    std::uint32_t word = 0;
    switch (now.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        std::memcpy(&word, reinterpret_cast<const char*>(&access) + now.off, sizeof word);
        left = word;
        break;
      case BPF_ALU64 | BPF_MOV | BPF_X:
        left = registers.at(now.src_reg);
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        left = value;
        break;
      case BPF_ALU64 | BPF_AND | BPF_K:
        left &= value;
        break;
      case BPF_ALU64 | BPF_RSH | BPF_K:
        left >>= value;
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        if (left != value) at += static_cast<std::size_t>(now.off);
        break;
      case BPF_JMP | BPF_EXIT:
        return static_cast<int>(registers[0]);
      default:
        return -1;
    }
  }
  return -1;
}

int asked(const std::vector<DeviceRule>& rules, bool block, unsigned majorNumber, unsigned minorNumber, int access) {
  const unsigned kind = block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  const bpf_cgroup_dev_ctx context{static_cast<__u32>(access << 16) | kind, majorNumber, minorNumber};
  return interpret(compileDeviceFilter(rules), context);
}

bool covers(const DeviceRule& rule, bool block, unsigned majorNumber, unsigned minorNumber, int access) {
  const int allowed = (rule.make ? kMake : 0) | (rule.read ? kRead : 0) | (rule.write ? kWrite : 0);
  return rule.block == block && rule.major.value_or(majorNumber) == majorNumber &&
         rule.minor.value_or(minorNumber) == minorNumber && (access & ~allowed) == 0;
}

}  // namespace

TEST_CASE("devices: v1's words") {
  CHECK(toControlText({true, {}, {}, false, false, true}) == "b *:* m");
  CHECK(toControlText({false, 136, {}, true, true, true}) == "c 136:* rwm");
  CHECK(toControlText({false, 1, 3, true, false, false}) == "c 1:3 r");
}

TEST_CASE("devices: the program says what the rules say, for every kind of access") {
  std::vector<DeviceRule> rules = deviceRules({});
  rules.push_back({true, 8, 1, true, false, false});  // a disk that may only be read
  for (const bool block : {false, true}) {
    for (const unsigned majorNumber : {0U, 1U, 5U, 8U, 10U, 136U, 4095U}) {
      for (const unsigned minorNumber : {0U, 1U, 2U, 3U, 5U, 9U, 200U, 1048575U}) {
        for (int access = 0; access <= (kMake | kRead | kWrite); access++) {
          bool wanted = false;
          for (const DeviceRule& rule : rules) wanted |= covers(rule, block, majorNumber, minorNumber, access);
          CAPTURE(block);
          CAPTURE(majorNumber);
          CAPTURE(minorNumber);
          CAPTURE(access);
          CHECK(asked(rules, block, majorNumber, minorNumber, access) == (wanted ? 1 : 0));
        }
      }
    }
  }
}

TEST_CASE("devices: a device that is given is in the rules, one that is missing is not") {
  CHECK(deviceRules({"/dev/null"}).size() == deviceRules({}).size() + 1);
  CHECK(deviceRules({"/dev/no-such-device"}).size() == deviceRules({}).size());
}

TEST_CASE("devices: the kernel takes the program, and what it refuses is refused") {
  SandboxFixture fixture;
  const Cgroup group = fixture.makeCgroup(fixture.shell(""));
  const Fd directory = group.v2Directory();
  if (!directory) {
    MESSAGE("this machine has no cgroup v2");
    return;
  }
  REQUIRE(attachDeviceFilter(directory.get(), deviceRules({})).ok());
  const std::string disk = fixture.dir() / "disk";
  const std::string own = fixture.dir() / "own";
  REQUIRE(::mknod(disk.c_str(), S_IFCHR | 0600, makedev(1, 11)) == 0);  // /dev/kmsg
  REQUIRE(::mknod(own.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);    // /dev/zero
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    const Fd procs(::openat(directory.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
    if (::write(procs.get(), "0", 1) != 1) ::_exit(1);
    if (!Fd(::open(own.c_str(), O_RDWR | O_CLOEXEC))) ::_exit(2);
    if (Fd(::open(disk.c_str(), O_RDONLY | O_CLOEXEC)) || errno != EPERM) ::_exit(3);
    // Whoever may make nodes may; using one is another matter.
    ::_exit(::mknod((disk + "2").c_str(), S_IFCHR | 0600, makedev(1, 11)) == 0 ? 0 : 4);
  }
  CHECK(test::waitFor(pid) == 0);
  CHECK(Fd(::open(disk.c_str(), O_RDONLY | O_CLOEXEC)).valid());
}
