// Who the ordinary user is, and what ids of the host are his.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "rootless/id_map.hpp"
#include "sys/result.hpp"

namespace lightv {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // empty: /etc/passwd has none of this id
  std::string home;
};

/** `passwd` is the text of passwd(5). Pure. */
User findUser(std::string_view passwd, uid_t uid, gid_t gid);

/** This process's user by /etc/passwd: the command is one static file and asks no name service. */
User currentUser();

struct UserMaps {
  IdMap users, groups;
};

/** Of the current user, by /etc/subuid and /etc/subgid. An error: he has no range of one kind or the other. */
Result<UserMaps> mapsOf(const User& user);

}  // namespace lightv
