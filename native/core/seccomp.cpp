#include "core/seccomp.hpp"

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <map>
#include <mutex>

#include "core/seccomp_code.hpp"
#include "core/seccomp_table.hpp"

namespace lightv {
namespace {

using bpf::Code;

#if defined(__x86_64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_AARCH64;
#else
#error "no seccomp table for this architecture: add its numbers to configs/sandbox and its audit number"
#endif

constexpr std::uint32_t lastNumber = 0xFFFFFFFF;
// x32's numbers have this bit set; ARM64 has none of them, and nothing there either.
constexpr std::uint32_t x32Bit = 0x40000000;
constexpr std::uint32_t namespaceFlags =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

sock_filter allow() {
  return bpf::give(SECCOMP_RET_ALLOW);
}
sock_filter refuse(std::uint32_t error) {
  return bpf::give(SECCOMP_RET_ERRNO | error);
}

// The kernel reads int and unsigned arguments from the low half of the register: so does the filter.
/** allow if the argument is (or is not) one of `values`, else EPERM. */
Code argumentIn(unsigned index, const std::vector<std::uint32_t>& values, bool allowed) {
  Code code{bpf::loadLow(index)};
  for (std::size_t i = 0; i < values.size(); i++) {
    code.push_back(bpf::jump(BPF_JMP | BPF_JEQ | BPF_K, values[i], values.size() - i, 0));
  }
  code.push_back(allowed ? refuse(EPERM) : allow());
  code.push_back(allowed ? allow() : refuse(EPERM));
  return code;
}

Code leaf(SeccompAction action) {
  switch (action) {
    case SeccompAction::allow:
      return {allow()};
    case SeccompAction::unknown:
      return {refuse(ENOSYS)};
    case SeccompAction::cloneArgs:
      return {bpf::loadLow(0), bpf::jump(BPF_JMP | BPF_JSET | BPF_K, namespaceFlags, 1, 0), allow(), refuse(EPERM)};
    case SeccompAction::ioctlArgs:
      return argumentIn(1, {TIOCSTI, TIOCLINUX}, false);
    case SeccompAction::personalityArgs:
      // PER_LINUX, PER_LINUX32, UNAME26 with each, and "only ask".
      return argumentIn(0, {0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF}, true);
    case SeccompAction::socketArgs:
      return argumentIn(0, {AF_VSOCK}, false);
    case SeccompAction::refuse:
      break;
  }
  return {refuse(EPERM)};
}

}  // namespace

std::vector<SeccompRange> seccompRanges(CapabilitySet capabilities) {
  const SeccompTable& table = seccompTable();
  std::map<std::uint32_t, SeccompAction> granted;
  for (const SeccompGrant& grant : table.grants) {
    if (((capabilities >> grant.capability) & 1) != 0) granted[grant.number] = grant.action;
  }
  std::vector<SeccompRange> ranges;
  const auto add = [&](std::uint32_t first, std::uint32_t last, SeccompAction action) {
    if (!ranges.empty() && ranges.back().action == action) {
      ranges.back().last = last;
    } else {
      ranges.push_back({first, last, action});
    }
  };
  std::uint32_t next = 0;
  const auto put = [&](std::uint32_t call, SeccompAction action) {
    if (call > next) add(next, call - 1, SeccompAction::refuse);
    add(call, call, action);
    next = call + 1;
  };
  // Both are by number: merged as two sorted lists are. What a capability grants goes over the entry.
  auto grant = granted.begin();
  for (const SeccompEntry& entry : table.entries) {
    for (; grant != granted.end() && grant->first < entry.number; ++grant) put(grant->first, grant->second);
    const bool over = grant != granted.end() && grant->first == entry.number;
    put(entry.number, over ? (grant++)->second : entry.action);
  }
  for (; grant != granted.end(); ++grant) put(grant->first, grant->second);
  if (next <= table.lastKnown) add(next, table.lastKnown, SeccompAction::refuse);
  add(table.lastKnown + 1, x32Bit - 1, SeccompAction::unknown);
  add(x32Bit, 2 * x32Bit - 1, table.x32);
  add(2 * x32Bit, lastNumber, SeccompAction::unknown);
  return ranges;
}

std::vector<sock_filter> compileSeccomp(const std::vector<SeccompRange>& ranges) {
  std::array<Code, static_cast<std::size_t>(SeccompAction::socketArgs) + 1> leaves;
  for (std::size_t i = 0; i < leaves.size(); i++) leaves[i] = leaf(static_cast<SeccompAction>(i));
  std::vector<bpf::Range> tree;
  tree.reserve(ranges.size());
  for (const SeccompRange& range : ranges) {
    tree.push_back({range.first, &leaves[static_cast<std::size_t>(range.action)]});
  }
  Code code{
      bpf::load(offsetof(seccomp_data, arch)),
      bpf::jump(BPF_JMP | BPF_JEQ | BPF_K, nativeArch, 1, 0),
      bpf::give(seccompTable().foreign),
      bpf::load(offsetof(seccomp_data, nr)),
  };
  bpf::append(code, bpf::searchTree(tree));
  return code;
}

const std::vector<sock_filter>& seccompProgram(CapabilitySet capabilities) {
  static std::mutex mutex;
  static std::map<CapabilitySet, std::vector<sock_filter>> programs;
  const std::lock_guard<std::mutex> lock(mutex);
  std::vector<sock_filter>& program = programs[capabilities];
  if (program.empty()) program = compileSeccomp(seccompRanges(capabilities));
  return program;
}

std::optional<std::uint32_t> syscallNumber(SyscallArch arch, std::string_view name) {
  const std::span<const SyscallName> names = syscallNames();
  const auto found = std::lower_bound(
      names.begin(), names.end(), name,
      [](const SyscallName& entry, std::string_view key) { return std::string_view(entry.name) < key; });
  if (found == names.end() || std::string_view(found->name) != name) return std::nullopt;
  const std::int32_t number = found->numbers[static_cast<std::size_t>(arch)];
  return number < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(number));
}

}  // namespace lightv
