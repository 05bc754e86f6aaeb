#include "rootless/user.hpp"

#include <unistd.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMostFileBytes = 4U << 20;

std::string hostFile(const char* path) {
  Result<std::string> text = readFile(path, kMostFileBytes);
  return text ? std::move(*text) : std::string();
}

Result<IdMap> mapBy(const char* path, const User& user, std::uint32_t own) {
  const std::string id = std::to_string(user.uid);
  IdMap map = mapOfUser(own, grantsOf(readGrants(hostFile(path)), user.name, id));
  if (map.size() > 1) return map;
  const std::string& who = user.name.empty() ? id : user.name;
  return Error{"user namespace", 0, std::string(path) + " gives no ids to " + who,
               "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + who +
                   ", with a range that nobody else has",
               true};
}

}  // namespace

User findUser(std::string_view passwd, uid_t uid, gid_t gid) {
  User user{uid, gid, {}, {}};
  for (const std::string& line : split(std::string(passwd), '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() < 6 || parseInteger<uid_t>(fields[2]) != uid) continue;
    user.name = fields[0];
    user.home = fields[5];
    break;
  }
  return user;
}

User currentUser() {
  return findUser(hostFile("/etc/passwd"), ::geteuid(), ::getegid());
}

Result<UserMaps> mapsOf(const User& user) {
  Result<IdMap> users = mapBy("/etc/subuid", user, user.uid);
  if (!users) return users.error();
  Result<IdMap> groups = mapBy("/etc/subgid", user, user.gid);
  if (!groups) return groups.error();
  return UserMaps{std::move(*users), std::move(*groups)};
}

}  // namespace lightv
