// Profiles of --security-opt seccomp=FILE: whatever is understood compiles to a program that the kernel's checker would
// take, for both architectures: at most 4,096 instructions, no jump past the end, and the end is a return.
#include <linux/filter.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/seccomp_profile.hpp"

namespace {

void check(const std::vector<sock_filter>& program) {
  if (program.empty() || program.size() > BPF_MAXINSNS) std::abort();
  if (program.back().code != (BPF_RET | BPF_K)) std::abort();
  for (std::size_t at = 0; at < program.size(); at++) {
    const sock_filter& word = program[at];
    if (BPF_CLASS(word.code) != BPF_JMP) continue;
    const bool always = word.code == (BPF_JMP | BPF_JA);
    if (always ? at + 1 + word.k >= program.size() : at + 1 + word.jt >= program.size()) std::abort();
    if (!always && at + 1 + word.jf >= program.size()) std::abort();
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const lightv::SyscallArch arch : {lightv::SyscallArch::x86_64, lightv::SyscallArch::arm64}) {
    const auto profile = lightv::parseSeccompProfile(text, arch);
    if (!profile) continue;
    for (const lightv::CapabilitySet capabilities : {lightv::CapabilitySet{0}, ~lightv::CapabilitySet{0}}) {
      const auto program = lightv::compileProfile(*profile, {arch, capabilities, {6, 1}});
      if (program) check(*program);
    }
  }
  return 0;
}
