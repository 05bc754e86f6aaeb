#include "core/users.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

// (uid_t)-1 means "leave as it is" to setresuid(2): never an id.
std::optional<std::uint32_t> parseId(std::string_view text) {
  const std::optional<std::uint32_t> id = parseInteger<std::uint32_t>(text);
  return id && *id < static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()) ? id : std::nullopt;
}

struct PasswdEntry {
  std::string name, home;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct GroupEntry {
  std::string name;
  gid_t gid = 0;
  std::vector<std::string> members;
};

/** Calls `visit` with the fields of each line that has `count` of them, until it returns true. */
template <class Visit>
void eachLine(std::string_view text, std::size_t count, Visit&& visit) {
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() >= count && visit(fields)) return;
  }
}

// A name wins over a number that looks the same, as in Docker.
std::optional<PasswdEntry> findUser(std::string_view passwd, const std::string& user) {
  std::optional<PasswdEntry> byNumber;
  std::optional<PasswdEntry> byName;
  const std::optional<uid_t> wanted = parseId(user);
  eachLine(passwd, 6, [&](const std::vector<std::string>& fields) {
    const std::optional<uid_t> uid = parseId(fields[2]);
    const std::optional<gid_t> gid = parseId(fields[3]);
    if (!uid || !gid) return false;
    if (fields[0] == user) byName = PasswdEntry{fields[0], fields[5], *uid, *gid};
    if (!byNumber && wanted == uid) byNumber = PasswdEntry{fields[0], fields[5], *uid, *gid};
    return byName.has_value();
  });
  return byName ? byName : byNumber;
}

std::vector<GroupEntry> readGroups(std::string_view group) {
  std::vector<GroupEntry> entries;
  eachLine(group, 4, [&](const std::vector<std::string>& fields) {
    if (const std::optional<gid_t> gid = parseId(fields[2])) {
      entries.push_back(GroupEntry{fields[0], *gid, split(fields[3], ',')});
    }
    return false;
  });
  return entries;
}

Result<gid_t> findGroup(const std::vector<GroupEntry>& groups, const std::string& name) {
  for (const GroupEntry& entry : groups) {
    if (entry.name == name) return entry.gid;
  }
  if (const std::optional<gid_t> gid = parseId(name)) return *gid;
  return Error{"user", ENOENT, "group \"" + name + "\"", "it is not in the image's /etc/group: use a number"};
}

void addGroup(std::vector<gid_t>& groups, gid_t gid) {
  if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
}

}  // namespace

Result<UserIds> resolveUser(std::string_view passwd, std::string_view group, const std::string& user,
                            const std::vector<std::string>& groupAdd) {
  const std::vector<std::string> parts = split(user.empty() ? "0" : user, ':', 2);
  const std::string who = parts[0].empty() ? "0" : parts[0];
  const std::vector<GroupEntry> groups = readGroups(group);
  UserIds ids;
  if (const std::optional<PasswdEntry> entry = findUser(passwd, who)) {
    ids.uid = entry->uid;
    ids.gid = entry->gid;
    if (!entry->home.empty()) ids.home = entry->home;
    // With an explicit group Docker leaves out the user's other groups.
    for (const GroupEntry& candidate : groups) {
      const bool member =
          std::find(candidate.members.begin(), candidate.members.end(), entry->name) != candidate.members.end();
      if (member && parts.size() == 1) addGroup(ids.groups, candidate.gid);
    }
  } else if (const std::optional<uid_t> uid = parseId(who)) {
    ids.uid = *uid;
    if (ids.uid == 0) ids.home = "/root";
  } else {
    return Error{"user", ENOENT, "\"" + who + "\"", "it is not in the image's /etc/passwd: use a number"};
  }
  if (parts.size() == 2) {
    const Result<gid_t> gid = findGroup(groups, parts[1]);
    if (!gid) return gid.error();
    ids.gid = *gid;
  }
  for (const std::string& name : groupAdd) {
    const Result<gid_t> gid = findGroup(groups, name);
    if (!gid) return gid.error();
    addGroup(ids.groups, *gid);
  }
  return ids;
}

std::string readSmallFile(const RootFs& root, const char* path) {
  const Fd fd(root.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode)) return {};
  Result<std::string> text = readDescriptor(fd.get(), path);
  return text ? std::move(*text) : std::string();
}

Result<UserIds> resolveUser(const RootFs& root, const std::string& user, const std::vector<std::string>& groupAdd) {
  return resolveUser(readSmallFile(root, "/etc/passwd"), readSmallFile(root, "/etc/group"), user, groupAdd);
}

}  // namespace lightv
