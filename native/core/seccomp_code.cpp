#include "core/seccomp_code.hpp"

#include <linux/seccomp.h>

namespace lightv::bpf {
namespace {

constexpr std::size_t farthestJump = 255;  // of a conditional one; BPF_JA reaches any distance

/** "number >= start of the right half", and the two halves one after the other. */
Code compile(const std::vector<Range>& ranges, std::size_t first, std::size_t last) {
  if (last - first == 1) return *ranges[first].code;
  const std::size_t middle = first + (last - first) / 2;
  const Code left = compile(ranges, first, middle);
  const Code right = compile(ranges, middle, last);
  Code code;
  if (left.size() <= farthestJump) {
    code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, left.size(), 0));
  } else {
    code.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 1));
    code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(left.size())));
  }
  append(code, left);
  append(code, right);
  return code;
}

}  // namespace

sock_filter loadLow(unsigned argument) {
  return load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));
}

sock_filter loadHigh(unsigned argument) {
  return load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t) + sizeof(std::uint32_t));
}

void append(Code& out, const Code& code) {
  out.insert(out.end(), code.begin(), code.end());
}

Code searchTree(const std::vector<Range>& ranges) {
  return compile(ranges, 0, ranges.size());
}

}  // namespace lightv::bpf
