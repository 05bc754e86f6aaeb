// From a profile's rules to a program. As libseccomp and runc have it: a rule that says what the default says is none;
// of a call's rules one without conditions decides alone, else the first whose conditions all hold.
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "core/seccomp_code.hpp"
#include "core/seccomp_profile.hpp"

namespace lightv {
namespace {

using bpf::Code;

constexpr std::size_t maxInstructions = 4096;  // BPF_MAXINSNS
constexpr std::uint32_t x32Bit = 0x40000000;
constexpr std::uint32_t unknownCall = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::array<std::uint32_t, 4> auditArch{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
                                                 AUDIT_ARCH_ARM};

bool applies(const SeccompRule& rule, const ProfileFacts& facts) {
  const char* go = facts.arch == SyscallArch::x86_64 ? "amd64" : "arm64";
  const auto names = [go](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), go) != list.end();
  };
  const SeccompCircumstances& out = rule.excludes;
  if (names(out.architectures) || (out.capabilities & facts.capabilities) != 0) return false;
  if (out.minKernel && facts.kernel >= *out.minKernel) return false;
  const SeccompCircumstances& in = rule.includes;
  if (!in.architectures.empty() && !names(in.architectures)) return false;
  if ((in.capabilities & ~facts.capabilities) != 0) return false;
  return !in.minKernel || facts.kernel >= *in.minKernel;
}

/** Where a step of a comparison leads. */
enum class To : std::uint8_t { next, holds, fails };

/** The instructions of one condition: loads and masks go on, jumps lead somewhere. */
struct Step {
  sock_filter word;
  To ifTrue = To::next, ifFalse = To::next;
};

// Registers have 64 bits, the filter's accumulator 32: the high halves decide, unless they are equal.
void addCondition(std::vector<Step>& steps, const SeccompCondition& condition) {
  const auto high = static_cast<std::uint32_t>(condition.value >> 32);
  const auto low = static_cast<std::uint32_t>(condition.value);
  const auto word = [&](sock_filter w) { steps.push_back({w}); };
  const auto test = [&](unsigned op, std::uint32_t k, To yes, To no) {
    steps.push_back({bpf::statement(BPF_JMP | op | BPF_K, k), yes, no});
  };
  word(bpf::loadHigh(condition.argument));
  switch (condition.compare) {
    case SeccompCompare::maskedEqual:
      word(bpf::statement(BPF_ALU | BPF_AND | BPF_K, high));
      test(BPF_JEQ, static_cast<std::uint32_t>(condition.valueTwo >> 32), To::next, To::fails);
      word(bpf::loadLow(condition.argument));
      word(bpf::statement(BPF_ALU | BPF_AND | BPF_K, low));
      return test(BPF_JEQ, static_cast<std::uint32_t>(condition.valueTwo), To::next, To::fails);
    case SeccompCompare::equal:
      test(BPF_JEQ, high, To::next, To::fails);
      break;
    case SeccompCompare::notEqual:
      test(BPF_JEQ, high, To::next, To::holds);
      break;
    case SeccompCompare::greater:
    case SeccompCompare::greaterEqual:
      test(BPF_JGT, high, To::holds, To::next);
      test(BPF_JEQ, high, To::next, To::fails);
      break;
    case SeccompCompare::less:
    case SeccompCompare::lessEqual:
      test(BPF_JGT, high, To::fails, To::next);
      test(BPF_JEQ, high, To::next, To::holds);
      break;
  }
  word(bpf::loadLow(condition.argument));
  switch (condition.compare) {
    case SeccompCompare::notEqual:
      return test(BPF_JEQ, low, To::fails, To::next);
    case SeccompCompare::greater:
      return test(BPF_JGT, low, To::next, To::fails);
    case SeccompCompare::greaterEqual:
      return test(BPF_JGE, low, To::next, To::fails);
    case SeccompCompare::less:
      return test(BPF_JGE, low, To::fails, To::next);
    case SeccompCompare::lessEqual:
      return test(BPF_JGT, low, To::fails, To::next);
    default:
      return test(BPF_JEQ, low, To::next, To::fails);
  }
}

/** Returns `action` when all conditions hold; else it goes on behind its end. */
Code compileRule(const std::vector<SeccompCondition>& conditions, std::uint32_t action) {
  std::vector<Step> steps;
  std::vector<std::size_t> ends;  // of each step's condition
  for (const SeccompCondition& condition : conditions) {
    addCondition(steps, condition);
    ends.resize(steps.size(), steps.size());
  }
  Code code;
  for (std::size_t at = 0; at < steps.size(); at++) {
    const auto distance = [&](To to) {
      if (to == To::next) return std::size_t{0};
      const std::size_t target = to == To::holds ? ends[at] : steps.size() + 1;  // behind the return
      return target - at - 1;
    };
    sock_filter word = steps[at].word;
    word.jt = static_cast<std::uint8_t>(distance(steps[at].ifTrue));
    word.jf = static_cast<std::uint8_t>(distance(steps[at].ifFalse));
    code.push_back(word);
  }
  code.push_back(bpf::give(action));
  return code;
}

/** runc: an argument that is named twice makes each condition a rule by itself. */
bool repeatsArgument(const std::vector<SeccompCondition>& conditions) {
  unsigned seen = 0;
  for (const SeccompCondition& condition : conditions) {
    if (((seen >> condition.argument) & 1) != 0) return true;
    seen |= 1U << condition.argument;
  }
  return false;
}

using Rules = std::vector<const SeccompRule*>;

Code leafOf(const Rules& rules, std::uint32_t defaultAction) {
  for (const SeccompRule* rule : rules) {
    if (rule->conditions.empty()) return {bpf::give(rule->action)};
  }
  Code code;
  for (const SeccompRule* rule : rules) {
    if (repeatsArgument(rule->conditions)) {
      for (const SeccompCondition& condition : rule->conditions) {
        bpf::append(code, compileRule({condition}, rule->action));
      }
    } else {
      bpf::append(code, compileRule(rule->conditions, rule->action));
    }
    if (code.size() > maxInstructions) break;  // too big already
  }
  code.push_back(bpf::give(defaultAction));
  return code;
}

bool isPermissive(std::uint32_t action) {
  const std::uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
  return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

bool isSame(const Code& one, const Code& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](const sock_filter& a, const sock_filter& b) {
    return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
  });
}

/** The calls of one architecture, in ranges whose code is the same. */
class Calls {
 public:
  Calls(const SeccompProfile& profile, const ProfileFacts& facts, SyscallArch arch) {
    std::uint32_t last = 0;
    for (const SeccompRule& rule : profile.rules) {
      const bool counts = applies(rule, facts) && rule.action != profile.defaultAction;
      for (const std::string& name : rule.names) {
        // Docker: a name that this architecture does not have is not for it.
        const std::optional<std::uint32_t> number = syscallNumber(arch, name);
        if (!number) continue;
        last = std::max(last, *number);
        if (counts) rules_[*number].push_back(&rule);
      }
    }
    for (const auto& [number, rules] : rules_) {
      if (number > next_) put(next_, {bpf::give(profile.defaultAction)});
      put(number, leafOf(rules, profile.defaultAction));
      next_ = number + 1;
    }
    // What came to Linux after the newest call that the profile knows is told so, and programs use what was before.
    if (next_ <= last) put(next_, {bpf::give(profile.defaultAction)});
    next_ = std::max(next_, last + 1);
    put(next_, {bpf::give(isPermissive(profile.defaultAction) ? profile.defaultAction : unknownCall)});
    // x32's numbers are the same calls by other names: a list of what is refused would not hold for them.
    if (arch == SyscallArch::x86_64) put(x32Bit, {bpf::give(unknownCall)});
  }

  [[nodiscard]] std::size_t size() const {
    std::size_t sum = 0;
    for (const auto& [first, code] : leaves_) sum += code.size() + 1;
    return sum;
  }

  [[nodiscard]] Code compile() const {
    std::vector<bpf::Range> ranges;
    for (const auto& [first, code] : leaves_) ranges.push_back({first, &code});
    return bpf::searchTree(ranges);
  }

 private:
  void put(std::uint32_t first, Code code) {
    if (!leaves_.empty() && isSame(leaves_.back().second, code)) return;
    leaves_.emplace_back(first, std::move(code));
  }

  std::map<std::uint32_t, Rules> rules_;
  std::vector<std::pair<std::uint32_t, Code>> leaves_;
  std::uint32_t next_ = 0;
};

}  // namespace

Result<std::vector<sock_filter>> compileProfile(const SeccompProfile& profile, const ProfileFacts& facts) {
  const Error tooBig{"seccomp profile", E2BIG, "it makes more than 4096 instructions",
                     "give fewer rules with conditions"};
  std::vector<SyscallArch> all{facts.arch};
  all.insert(all.end(), profile.architectures.begin(), profile.architectures.end());
  Code code{bpf::load(offsetof(seccomp_data, arch))};
  for (const SyscallArch arch : all) {
    const Calls calls(profile, facts, arch);
    // Before the tree is built: its parts are copied at each level.
    if (calls.size() > maxInstructions) return tooBig;
    const Code tree = calls.compile();
    if (code.size() + tree.size() + 4 > maxInstructions) return tooBig;
    code.push_back(bpf::jump(BPF_JMP | BPF_JEQ | BPF_K, auditArch[static_cast<std::size_t>(arch)], 1, 0));
    code.push_back(bpf::statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(tree.size() + 1)));
    code.push_back(bpf::load(offsetof(seccomp_data, nr)));
    bpf::append(code, tree);
  }
  code.push_back(bpf::give(SECCOMP_RET_KILL_PROCESS));
  return code;
}

}  // namespace lightv
