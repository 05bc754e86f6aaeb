#include "core/seccomp.hpp"

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <map>
#include <mutex>

#include "core/seccomp_table.hpp"

namespace lightv {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_AARCH64;
#else
#error "no seccomp table for this architecture: add its legacy calls and its audit number"
#endif

constexpr std::uint32_t lastNumber = 0xFFFFFFFF;
constexpr std::uint32_t namespaceFlags =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

sock_filter statement(unsigned code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}
sock_filter jump(unsigned code, std::uint32_t k, std::size_t ifTrue, std::size_t ifFalse) {
  return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(ifTrue), static_cast<std::uint8_t>(ifFalse), k};
}
sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter allow() {
  return statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}
sock_filter refuse(std::uint32_t error) {
  return statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
}

// The kernel reads int and unsigned arguments from the low half of the register: so does the filter. Both
// architectures here are little-endian.
sock_filter loadArgument(unsigned index) {
  return load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}

/** allow if the argument is (or is not) one of `values`, else EPERM. */
std::vector<sock_filter> argumentIn(unsigned index, const std::vector<std::uint32_t>& values, bool allowed) {
  std::vector<sock_filter> code{loadArgument(index)};
  for (std::size_t i = 0; i < values.size(); i++) {
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, values[i], values.size() - i, 0));
  }
  code.push_back(allowed ? refuse(EPERM) : allow());
  code.push_back(allowed ? allow() : refuse(EPERM));
  return code;
}

std::vector<sock_filter> leaf(SeccompAction action) {
  switch (action) {
    case SeccompAction::allow:
      return {allow()};
    case SeccompAction::unknown:
      return {refuse(ENOSYS)};
    case SeccompAction::cloneArgs:
      return {loadArgument(0), jump(BPF_JMP | BPF_JSET | BPF_K, namespaceFlags, 1, 0), allow(), refuse(EPERM)};
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

void append(std::vector<sock_filter>& out, const std::vector<sock_filter>& code) {
  out.insert(out.end(), code.begin(), code.end());
}

/** Binary search over [first, last): "number >= start of the right half" and the two halves one after the other. */
std::vector<sock_filter> compileTree(const std::vector<SeccompRange>& ranges, std::size_t first, std::size_t last) {
  if (last - first == 1) return leaf(ranges[first].action);
  const std::size_t middle = first + (last - first) / 2;
  const std::vector<sock_filter> left = compileTree(ranges, first, middle);
  const std::vector<sock_filter> right = compileTree(ranges, middle, last);
  std::vector<sock_filter> code;
  if (left.size() <= 255) {
    code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, left.size(), 0));
  } else {
    // Conditional jumps reach 255 instructions, BPF_JA any distance.
    code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 1));
    code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(left.size())));
  }
  append(code, left);
  append(code, right);
  return code;
}

}  // namespace

std::vector<SeccompRange> seccompRanges(CapabilitySet capabilities) {
  std::map<std::uint32_t, SeccompAction> actions;
  for (const SeccompGroup& group : seccompGroups()) {
    if (group.capability >= 0 && ((capabilities >> group.capability) & 1) == 0) continue;
    for (const std::uint32_t call : group.calls) actions[call] = group.action;
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
  for (const auto& [call, action] : actions) {
    if (call > next) add(next, call - 1, SeccompAction::refuse);
    add(call, call, action);
    next = call + 1;
  }
  if (next <= seccompLastKnown) add(next, seccompLastKnown, SeccompAction::refuse);
  add(seccompLastKnown + 1, lastNumber, SeccompAction::unknown);
  return ranges;
}

std::vector<sock_filter> compileSeccomp(const std::vector<SeccompRange>& ranges) {
  std::vector<sock_filter> code{
      load(offsetof(seccomp_data, arch)),
      jump(BPF_JMP | BPF_JEQ | BPF_K, nativeArch, 1, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
  };
  // x32's numbers have bit 30 set, so they are past the last known one: ENOSYS, as on kernels without x32.
  append(code, compileTree(ranges, 0, ranges.size()));
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

}  // namespace lightv
