#include "core/device_rules.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "sys/fd.hpp"

namespace lightv {
namespace {

DeviceRule use(std::uint32_t major, std::optional<std::uint32_t> minor) {
  return {false, major, minor, true, true, true};
}

enum Register : std::uint8_t { result, context, kind, access, majorNumber, minorNumber, beyond };

bpf_insn instruction(unsigned code, unsigned destination, unsigned source, int offset, std::int32_t immediate) {
  bpf_insn made{};
  made.code = static_cast<__u8>(code);
  made.dst_reg = destination & 0xF;
  made.src_reg = source & 0xF;
  made.off = static_cast<__s16>(offset);
  made.imm = immediate;
  return made;
}

bpf_insn load(Register destination, std::size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, context, static_cast<int>(offset), 0);
}
bpf_insn arithmetic(unsigned operation, Register destination, std::int32_t value) {
  return instruction(BPF_ALU64 | operation | BPF_K, destination, 0, 0, value);
}
bpf_insn copy(Register destination, Register source) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0);
}

/** One rule: each test that fails jumps behind the rule's end, for which its offset is set when the length is known. */
void addRule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
  std::vector<std::size_t> tests;
  const auto unless = [&](Register left, std::int32_t value) {
    tests.push_back(program.size());
    program.push_back(instruction(BPF_JMP | BPF_JNE | BPF_K, left, 0, 0, value));
  };
  unless(kind, rule.block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  const int allowed = (rule.make ? BPF_DEVCG_ACC_MKNOD : 0) | (rule.read ? BPF_DEVCG_ACC_READ : 0) |
                      (rule.write ? BPF_DEVCG_ACC_WRITE : 0);
  if (allowed != (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)) {
    program.push_back(copy(beyond, access));
    program.push_back(arithmetic(BPF_AND, beyond, ~allowed));
    unless(beyond, 0);
  }
  if (rule.major) unless(majorNumber, static_cast<std::int32_t>(*rule.major));
  if (rule.minor) unless(minorNumber, static_cast<std::int32_t>(*rule.minor));
  program.push_back(arithmetic(BPF_MOV, result, 1));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  for (const std::size_t test : tests) program[test].off = static_cast<__s16>(program.size() - test - 1);
}

long bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

}  // namespace

std::vector<DeviceRule> deviceRules(const std::vector<std::string>& allowed) {
  DeviceRule anyNode{.block = false, .major = {}, .minor = {}, .read = false, .write = false, .make = true};
  std::vector<DeviceRule> rules{anyNode};
  anyNode.block = true;
  rules.push_back(anyNode);
  // null, zero, full, random, urandom, tty, ptmx, terminals
  for (const unsigned number : {3U, 5U, 7U, 8U, 9U}) rules.push_back(use(1, number));
  rules.push_back(use(5, 0));
  rules.push_back(use(5, 2));
  rules.push_back(use(136, std::nullopt));
  for (const std::string& path : allowed) {
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0) continue;  // launch() tells that it is missing
    DeviceRule rule = use(major(info.st_rdev), minor(info.st_rdev));
    rule.block = S_ISBLK(info.st_mode);
    rules.push_back(rule);
  }
  return rules;
}

std::string toControlText(const DeviceRule& rule) {
  const auto number = [](const std::optional<std::uint32_t>& value) { return value ? std::to_string(*value) : "*"; };
  std::string text = std::string(rule.block ? "b " : "c ") + number(rule.major) + ":" + number(rule.minor) + " ";
  if (rule.read) text += 'r';
  if (rule.write) text += 'w';
  if (rule.make) text += 'm';
  return text;
}

std::vector<bpf_insn> compileDeviceFilter(const std::vector<DeviceRule>& rules) {
  std::vector<bpf_insn> program{load(kind, offsetof(bpf_cgroup_dev_ctx, access_type)),
                                copy(access, kind),
                                arithmetic(BPF_AND, kind, 0xFFFF),
                                arithmetic(BPF_RSH, access, 16),
                                load(majorNumber, offsetof(bpf_cgroup_dev_ctx, major)),
                                load(minorNumber, offsetof(bpf_cgroup_dev_ctx, minor))};
  for (const DeviceRule& rule : rules) addRule(program, rule);
  program.push_back(arithmetic(BPF_MOV, result, 0));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  return program;
}

Status attachDeviceFilter(int cgroup, const std::vector<DeviceRule>& rules) {
  const std::vector<bpf_insn> program = compileDeviceFilter(rules);
  constexpr char license[] = "Apache-2.0";
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insn_cnt = static_cast<__u32>(program.size());
  load.insns = reinterpret_cast<std::uintptr_t>(program.data());
  load.license = reinterpret_cast<std::uintptr_t>(license);
  const Fd loaded(static_cast<int>(bpf(BPF_PROG_LOAD, load)));
  if (!loaded) return Error{"load the device filter", errno, "BPF_PROG_TYPE_CGROUP_DEVICE"};
  bpf_attr attach{};
  attach.target_fd = static_cast<__u32>(cgroup);
  attach.attach_bpf_fd = static_cast<__u32>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  // Beside those of the groups above: what a service manager has forbidden stays forbidden.
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attach) < 0) return Error{"attach the device filter", errno, "BPF_CGROUP_DEVICE"};
  return {};
}

}  // namespace lightv
