// Little-endian integers out of hostile bytes, and reads of exactly so many of them.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sys/result.hpp"

namespace lightv {

static_assert(std::endian::native == std::endian::little, "loadLe copies bytes as they are");

/** The integer at `offset`. The caller has checked that it lies inside. */
template <class T>
T loadLe(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/** Does [offset, offset + length) lie in [0, size)? No sum that could wrap. */
constexpr bool isInside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

/** pread(2) of all of it; a file that ends before is an error that says where. */
inline Status readExactly(int fd, void* buffer, std::size_t size, std::uint64_t offset, const char* what) {
  auto* out = static_cast<char*>(buffer);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, out + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{"read", errno, what};
    if (got == 0) return Error{"read", 0, std::string(what) + ": the file ends at " + std::to_string(offset + done)};
    done += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace lightv
