// SHA-256 (FIPS 180-4) and CRC-32C (RFC 3720 B.4).
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lightv {

using Sha256Digest = std::array<std::uint8_t, crypto_hash_sha256_BYTES>;

/** SHA-256 of what is added piece by piece. finish() ends it: make a new one for the next. */
class Sha256 {
 public:
  Sha256() { (void)crypto_hash_sha256_init(&state_); }
  Sha256& update(const void* data, std::size_t size) {
    (void)crypto_hash_sha256_update(&state_, static_cast<const unsigned char*>(data), size);
    return *this;
  }
  [[nodiscard]] Sha256Digest finish() {
    Sha256Digest digest{};
    (void)crypto_hash_sha256_final(&state_, digest.data());
    return digest;
  }

 private:
  crypto_hash_sha256_state state_;
};

Sha256Digest sha256(std::string_view data);
/** "sha256:" and 64 lower-case hexadecimal digits. */
std::string digestText(const Sha256Digest& digest);
/** Is it exactly what digestText() gives? Upper-case digits are not. */
bool isDigestText(std::string_view text);

/** CRC-32C (Castagnoli), reflected, as iSCSI and ext4 use it; by the CPU's instruction where it has one. */
std::uint32_t crc32c(std::string_view data);
/** The same by table, on any CPU. */
std::uint32_t crc32cPortable(std::string_view data);

}  // namespace lightv
