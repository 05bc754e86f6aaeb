// normalizeImageName over anything: what it accepts is stable and can be a file's name in the store.
#include "image/store.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const lightv::Result<std::string> name = lightv::normalizeImageName(text);
  if (!name) return 0;
  const lightv::Result<std::string> again = lightv::normalizeImageName(*name);
  // A tag may hold dots in a row, a path may not.
  const bool safe = name->substr(0, name->rfind(':')).find("..") == std::string::npos && name->front() != '/' &&
                    name->front() != '.' && name->find('\0') == std::string::npos &&
                    name->find('\n') == std::string::npos;
  if (!again || *again != *name || !safe || name->size() > 255 + 1 + 128) std::abort();
  return 0;
}
