#include "rootless/subordinate_ids.hpp"

#include "sys/text.hpp"

namespace lightv {

std::vector<IdGrant> readGrants(const std::string& text) {
  std::vector<IdGrant> grants;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() != 3) continue;
    const auto first = parseInteger<std::uint32_t>(fields[1]);
    const auto count = parseInteger<std::uint32_t>(trim(fields[2]));
    if (first && count && *count > 0) grants.push_back({fields[0], {*first, std::uint64_t{*first} + *count}});
  }
  return grants;
}

std::vector<IdRange> grantsOf(const std::vector<IdGrant>& grants, std::string_view owner, std::string_view id) {
  std::vector<IdRange> own;
  for (const IdGrant& grant : grants) {
    if (!grant.owner.empty() && (grant.owner == owner || grant.owner == id)) own.push_back(grant.ids);
  }
  return own;
}

}  // namespace lightv
