// Where on the host the ranges of ids for sandboxes may lie. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lightv {

/** Contents of the host's files in /etc; empty: there is none. */
struct IdFiles {
  std::string subuid, subgid, passwd, group;
};
IdFiles readIdFiles();

/**
 * First ids of the ranges of 65,536 that sandboxes may have, at most 4,096 of them, in rising order.
 *
 * What subuid(5) and subgid(5) both give to the user `lightv`, or else both to root, is taken and nothing else. Where
 * they give nothing to either: 0x70000000 to 0x7FFDFFFF, which is above what useradd(8) gives out (SUB_UID_MAX), above
 * systemd's ids for containers, and below 2^31 (systemd, docs/UIDS-GIDS.md, "unused"); without what these files give to
 * others and without the ranges in which passwd(5) or group(5) have an id.
 */
std::vector<std::uint32_t> idBases(const IdFiles& files);

}  // namespace lightv
