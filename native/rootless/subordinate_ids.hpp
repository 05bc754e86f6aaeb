// What subuid(5) and subgid(5) give to whom. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lightv {

/** Ids of the host, half open. */
struct IdRange {
  std::uint64_t first = 0, end = 0;
  bool operator==(const IdRange&) const = default;
};

struct IdGrant {
  std::string owner;  // a user's name, or his id in decimal
  IdRange ids;
};

/** Lines `owner:first:count`; others are left out, as newuidmap(1) does. */
std::vector<IdGrant> readGrants(const std::string& text);

/** In the file's order: what it gives to `owner`, and to the decimal `id`. */
std::vector<IdRange> grantsOf(const std::vector<IdGrant>& grants, std::string_view owner, std::string_view id);

}  // namespace lightv
