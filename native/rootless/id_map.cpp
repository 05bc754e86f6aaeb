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

Result<IdMap> sameIdsBelow(std::string_view uidMap) {
  IdMap map;
  for (const std::string& line : split(std::string(uidMap), '\n')) {
    std::vector<std::string> words = split(line, ' ');
    std::erase(words, "");
    if (words.empty()) continue;
    const auto inside = parseInteger<std::uint32_t>(words[0]);
    const auto count = words.size() == 3 ? parseInteger<std::uint32_t>(words[2]) : std::nullopt;
    if (!inside || !count) return Error{"read", EBADMSG, "uid_map: \"" + line + "\""};
    // One line each: the kernel wants each extent within one of the namespace above.
    map.push_back({*inside, *inside, *count});
  }
  if (map.empty()) return Error{"read", EBADMSG, "uid_map: it is empty"};
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
