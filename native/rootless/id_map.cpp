#include "rootless/id_map.hpp"

#include <algorithm>
#include <cerrno>

#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t kMostIds = 65536;
/** user_namespaces(7): of lines, since Linux 4.15. */
constexpr std::size_t kMostExtents = 340;
/** -1 means "as it is" (setuid(2)). */
constexpr std::uint64_t kLastEnd = 0xFFFFFFFF;

bool overlap(const IdRange& one, const IdRange& other) {
  return one.first < other.end && other.first < one.end;
}

}  // namespace

IdMap mapOfUser(std::uint32_t own, const std::vector<IdRange>& granted) {
  IdMap map{{0, own, 1}};
  std::vector<IdRange> taken{{0, 1}, {own, std::uint64_t{own} + 1}};
  std::uint64_t next = 1;
  for (const IdRange& range : granted) {
    if (next == kMostIds || map.size() == kMostExtents) break;
    const bool unusable = range.end > kLastEnd || range.end <= range.first ||
                          std::any_of(taken.begin(), taken.end(), [&](const IdRange& t) { return overlap(t, range); });
    if (unusable) continue;
    taken.push_back(range);
    const std::uint64_t count = std::min(range.end - range.first, kMostIds - next);
    map.push_back(
        {static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(range.first), static_cast<std::uint32_t>(count)});
    next += count;
  }
  return map;
}

Result<IdMap> parseIdMap(std::string_view text) {
  IdMap map;
  for (const std::string& line : split(text, '\n')) {
    std::vector<std::string> words = split(line, ' ');
    std::erase(words, "");
    if (words.empty()) continue;
    std::uint32_t numbers[3] = {};
    bool whole = words.size() == 3;
    for (std::size_t i = 0; whole && i < 3; i++) {
      const auto number = parseInteger<std::uint32_t>(words[i]);
      whole = number.has_value();
      numbers[i] = number.value_or(0);
    }
    if (!whole) return Error{"read", EBADMSG, "uid_map: \"" + line + "\""};
    map.push_back({numbers[0], numbers[1], numbers[2]});
  }
  if (map.empty()) return Error{"read", EBADMSG, "uid_map: it is empty"};
  return map;
}

// One line each: the kernel wants each extent within one of the namespace above.
Result<IdMap> sameIdsBelow(std::string_view uidMap) {
  Result<IdMap> map = parseIdMap(uidMap);
  if (!map) return map;
  for (IdExtent& extent : *map) extent.outside = extent.inside;
  return map;
}

std::string toText(const IdMap& map) {
  std::string text;
  for (const IdExtent& extent : map) {
    text += std::to_string(extent.inside) + " " + std::to_string(extent.outside) + " " + std::to_string(extent.count);
    text += "\n";
  }
  return text;
}

}  // namespace lightv
