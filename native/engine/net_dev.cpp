#include "engine/net_dev.hpp"

#include <string>
#include <vector>

#include "sys/text.hpp"

namespace lightv {

NetworkCounters parseNetDev(std::string_view text) {
  constexpr std::size_t kTxBytes = 8;  // the ninth number; the first is the received bytes
  NetworkCounters counters;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || trim(line.substr(0, colon)) == "lo") continue;
    std::vector<std::uint64_t> numbers;
    for (const std::string& word : split(line.substr(colon + 1), ' ')) {
      if (const auto number = parseInteger<std::uint64_t>(word)) numbers.push_back(*number);
    }
    if (numbers.size() <= kTxBytes) continue;
    counters.rxBytes += numbers[0];
    counters.txBytes += numbers[kTxBytes];
  }
  return counters;
}

}  // namespace lightv
