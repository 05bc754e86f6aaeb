#include "pool/pressure.hpp"

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {

// "some avg10=0.12 avg60=0.00 avg300=0.00 total=1525061"
std::uint32_t parsePressure(std::string_view text) {
  constexpr std::string_view kKey = "some avg10=";
  const std::size_t at = text.find(kKey);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = text.substr(at + kKey.size());
  const auto milli = parseMilli(rest.substr(0, rest.find(' ')));
  return milli ? static_cast<std::uint32_t>(*milli / 10) : 0;
}

std::uint32_t memoryPressure() {
  const Result<std::string> text = readFile("/proc/pressure/memory");
  return text ? parsePressure(*text) : 0;
}

std::uint64_t machineMemory() {
  constexpr std::string_view kKey = "MemTotal:";
  const Result<std::string> text = readFile("/proc/meminfo");
  if (!text) return 0;
  for (const std::string& line : split(*text, '\n')) {
    if (!line.starts_with(kKey)) continue;
    const std::string_view value = trim(std::string_view(line).substr(kKey.size()));
    return parseInteger<std::uint64_t>(value.substr(0, value.find(' '))).value_or(0) << 10;
  }
  return 0;
}

}  // namespace lightv
