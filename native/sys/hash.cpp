#include "sys/hash.hpp"

#include <algorithm>
#include <cstring>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace lightv {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected
constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr std::array<std::uint32_t, 256> makeTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; i++) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kTable = makeTable();

// One source for both architectures: eight bytes a step, then the rest one by one. memcpy because data may be
// unaligned.
#if defined(__x86_64__)
bool hasInstruction() {
  return __builtin_cpu_supports("sse4.2") != 0;
}
__attribute__((target("sse4.2"))) std::uint32_t crcByInstruction(std::uint32_t crc, std::string_view data) {
  for (; data.size() >= 8; data.remove_prefix(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), sizeof word);
    crc = static_cast<std::uint32_t>(__builtin_ia32_crc32di(crc, word));
  }
  for (const char c : data) crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(c));
  return crc;
}
#elif defined(__aarch64__)
#if defined(__clang__)
#define LIGHTV_CRC_WORD __builtin_arm_crc32cd
#define LIGHTV_CRC_BYTE __builtin_arm_crc32cb
#define LIGHTV_CRC_TARGET "crc"
#else
#define LIGHTV_CRC_WORD __builtin_aarch64_crc32cx
#define LIGHTV_CRC_BYTE __builtin_aarch64_crc32cb
#define LIGHTV_CRC_TARGET "+crc"
#endif
bool hasInstruction() {
  constexpr unsigned long crc32Bit = 1UL << 7;  // HWCAP_CRC32
  return (getauxval(AT_HWCAP) & crc32Bit) != 0;
}
__attribute__((target(LIGHTV_CRC_TARGET))) std::uint32_t crcByInstruction(std::uint32_t crc, std::string_view data) {
  for (; data.size() >= 8; data.remove_prefix(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), sizeof word);
    crc = LIGHTV_CRC_WORD(crc, word);
  }
  for (const char c : data) crc = LIGHTV_CRC_BYTE(crc, static_cast<unsigned char>(c));
  return crc;
}
#else
bool hasInstruction() {
  return false;
}
std::uint32_t crcByInstruction(std::uint32_t crc, std::string_view) {
  return crc;
}
#endif

}  // namespace

Sha256Digest sha256(std::string_view data) {
  return Sha256().update(data.data(), data.size()).finish();
}

std::string digestText(const Sha256Digest& digest) {
  std::string text = "sha256:";
  text.reserve(7 + 2 * digest.size());
  for (const std::uint8_t byte : digest) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

bool isDigestText(std::string_view text) {
  if (text.size() != 71 || text.substr(0, 7) != "sha256:") return false;
  text.remove_prefix(7);
  return std::all_of(text.begin(), text.end(), [](char c) { return kHexDigits.find(c) != std::string_view::npos; });
}

std::uint32_t crc32cPortable(std::string_view data) {
  std::uint32_t crc = ~0U;
  for (const char c : data) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::uint32_t crc32c(std::string_view data) {
  if (!hasInstruction()) return crc32cPortable(data);
  return ~crcByInstruction(~0U, data);
}

}  // namespace lightv
