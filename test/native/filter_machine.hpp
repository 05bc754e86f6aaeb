// Runs seccomp programs without the kernel.
#pragma once

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace lightv::test {

/** Runs a filter as the kernel would: an interpreter of the instructions that the compiler uses. */
inline std::uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& data) {
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < program.size(); at++) {
    const sock_filter& i = program[at];
    bool hit = false;
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + i.k, sizeof accumulator);
        continue;
      case BPF_RET | BPF_K:
        return i.k;
      case BPF_JMP | BPF_JA:
        at += i.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        hit = accumulator == i.k;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= i.k;
        continue;
      case BPF_JMP | BPF_JGT | BPF_K:
        hit = accumulator > i.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        hit = accumulator >= i.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        hit = (accumulator & i.k) != 0;
        break;
      default:
        FAIL("instruction that the compiler should not use: ", i.code);
    }
    at += hit ? i.jt : i.jf;
  }
  FAIL("the program runs off its end");
  return 0;
}

}  // namespace lightv::test
