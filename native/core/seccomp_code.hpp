// The words of seccomp's filter programs (classic BPF), and the search tree over call numbers that all of ours begin
// with: the kernel runs a filter for each number at once to know what it may skip, so its depth decides a start's time.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lightv::bpf {

using Code = std::vector<sock_filter>;

inline sock_filter statement(unsigned code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}
inline sock_filter jump(unsigned code, std::uint32_t k, std::size_t ifTrue, std::size_t ifFalse) {
  return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(ifTrue), static_cast<std::uint8_t>(ifFalse), k};
}
/** Takes 32 bits of seccomp_data. */
inline sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
inline sock_filter give(std::uint32_t action) {
  return statement(BPF_RET | BPF_K, action);
}
/** The low half of an argument, and the high one. Our architectures are little-endian. */
sock_filter loadLow(unsigned argument);
sock_filter loadHigh(unsigned argument);

void append(Code& out, const Code& code);

/** Calls from `first` on, up to the next range's. */
struct Range {
  std::uint32_t first = 0;
  const Code* code = nullptr;  // must end in a return on each of its ways
};

/** With the number loaded: a binary search, whose leaves are the ranges' code. `ranges` begins at 0 and is sorted. */
Code searchTree(const std::vector<Range>& ranges);

}  // namespace lightv::bpf
