// Who a workload runs as: Docker's --user syntax looked up in the image's own /etc/passwd and /etc/group. No NSS:
// the binary is static and the names are the sandbox's, not the host's.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/root_fs.hpp"
#include "sys/result.hpp"

namespace lightv {

struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary, without duplicates
  std::string home = "/";
};

/** The same on the files' contents. Pure. */
Result<UserIds> resolveUser(std::string_view passwd, std::string_view group, const std::string& user,
                            const std::vector<std::string>& groupAdd);

/**
 * "", "uid", "name", "uid:gid", "name:group" in every mix. A number needs no entry; with an entry it gets that
 * entry's group, home and supplementary groups. ENOENT names a name that is in neither file.
 */
Result<UserIds> resolveUser(const RootFs& root, const std::string& user, const std::vector<std::string>& groupAdd);

/** A regular file of at most 1 MiB inside the root; empty when it is missing. Never blocks on a FIFO. */
std::string readSmallFile(const RootFs& root, const char* path);

}  // namespace lightv
