#include "cli/suggest.hpp"

#include <algorithm>

namespace lightv::cli {

unsigned editDistance(std::string_view one, std::string_view other) {
  std::vector<unsigned> before(other.size() + 1);
  std::vector<unsigned> last(other.size() + 1);
  std::vector<unsigned> row(other.size() + 1);
  for (unsigned j = 0; j <= other.size(); ++j) last[j] = j;
  for (unsigned i = 1; i <= one.size(); ++i) {
    row[0] = i;
    for (unsigned j = 1; j <= other.size(); ++j) {
      const unsigned replaced = last[j - 1] + (one[i - 1] == other[j - 1] ? 0U : 1U);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[other.size()];
}

std::string_view nearest(std::string_view given, const std::vector<std::string_view>& words) {
  std::string_view best;
  unsigned bestDistance = ~0U;
  for (const std::string_view word : words) {
    const unsigned distance = editDistance(given, word);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  if (bestDistance <= std::max<std::size_t>(1, best.size() / 3)) return best;
  for (const std::string_view word : words) {
    if (given.size() >= 3 && word.starts_with(given)) return word;
  }
  return {};
}

}  // namespace lightv::cli
