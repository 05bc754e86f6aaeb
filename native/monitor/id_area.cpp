#include "monitor/id_area.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/user_namespace.hpp"
#include "rootless/subordinate_ids.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMostRanges = 4096;
constexpr std::uint64_t kDefaultFirst = 0x70000000, kDefaultEnd = 0x7FFE0000;
/** The ids from here on are not for users: -1 means "as it is", -2 is often "nobody". */
constexpr std::uint64_t kLastEnd = 0xFFFF0000;
constexpr std::size_t kMostFileBytes = 4U << 20;

/** Third fields of passwd(5) or group(5): one id each. */
void addUsed(const std::string& text, std::vector<IdRange>& taken) {
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    const auto id = fields.size() < 3 ? std::nullopt : parseInteger<std::uint32_t>(fields[2]);
    if (id) taken.push_back({*id, std::uint64_t{*id} + 1});
  }
}

void addBases(IdRange area, const std::vector<IdRange>& taken, std::vector<std::uint32_t>& bases) {
  area.end = std::min(area.end, kLastEnd);
  for (std::uint64_t base = area.first; base + kIdRangeSize <= area.end; base += kIdRangeSize) {
    if (bases.size() == kMostRanges) return;
    const bool isTaken = std::any_of(taken.begin(), taken.end(), [base](const IdRange& ids) {
      return ids.first < base + kIdRangeSize && base < ids.end;
    });
    // 0 is the host's root.
    if (!isTaken && base != 0) bases.push_back(static_cast<std::uint32_t>(base));
  }
}

/** What both kinds of ids have: a sandbox's users and groups have one range. */
std::vector<std::uint32_t> commonBases(const std::vector<IdRange>& users, const std::vector<IdRange>& groups) {
  std::vector<std::uint32_t> bases;
  for (const IdRange& user : users) {
    for (const IdRange& group : groups)
      addBases({std::max(user.first, group.first), std::min(user.end, group.end)}, {}, bases);
  }
  // Entries may overlap: ranges that do would be two sandboxes' at once.
  std::sort(bases.begin(), bases.end());
  std::vector<std::uint32_t> apart;
  for (const std::uint32_t base : bases) {
    if (apart.empty() || base >= std::uint64_t{apart.back()} + kIdRangeSize) apart.push_back(base);
  }
  return apart;
}

std::string hostFile(const char* path) {
  Result<std::string> text = readFile(path, kMostFileBytes);
  return text ? std::move(*text) : std::string();
}

}  // namespace

IdFiles readIdFiles() {
  return {hostFile("/etc/subuid"), hostFile("/etc/subgid"), hostFile("/etc/passwd"), hostFile("/etc/group")};
}

std::vector<std::uint32_t> idBases(const IdFiles& files) {
  const std::vector<IdGrant> users = readGrants(files.subuid);
  const std::vector<IdGrant> groups = readGrants(files.subgid);
  for (const auto& [user, id] : {std::pair("lightv", ""), std::pair("root", "0")}) {
    const std::vector<IdRange> ownUsers = grantsOf(users, user, id);
    const std::vector<IdRange> ownGroups = grantsOf(groups, user, id);
    if (!ownUsers.empty() || !ownGroups.empty()) return commonBases(ownUsers, ownGroups);
  }
  std::vector<IdRange> taken;
  for (const std::vector<IdGrant>* grants : {&users, &groups}) {
    for (const IdGrant& grant : *grants) taken.push_back(grant.ids);
  }
  addUsed(files.passwd, taken);
  addUsed(files.group, taken);
  // Most have nobody there, and each start asks.
  std::erase_if(taken, [](const IdRange& ids) { return ids.end <= kDefaultFirst || ids.first >= kDefaultEnd; });
  std::vector<std::uint32_t> bases;
  addBases({kDefaultFirst, kDefaultEnd}, taken, bases);
  return bases;
}

}  // namespace lightv
