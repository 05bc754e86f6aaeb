// What the parts of the attacker share. An attack that the walls hold off gives Held; one that gets somewhere says
// where.
#pragma once

#include <cerrno>
#include <initializer_list>
#include <string>
#include <vector>

namespace attack {

/** How an attack ended. `reached`: the kernel let it further than a sandbox may get. */
struct Result {
  bool reached = false;
  std::string detail;
};

struct Attack {
  const char* name;
  Result (*run)();
};

inline Result held(std::string detail) {
  return {false, std::move(detail)};
}
inline Result reached(std::string detail) {
  return {true, std::move(detail)};
}

/** errno's name, for those that matter here. */
std::string nameOf(int err);

/**
 * A call whose arguments are wrong on purpose, so that it does no harm where it gets through: the walls answer before
 * the kernel looks at the arguments. `also`: answers that are walls too.
 */
Result refused(long result, std::initializer_list<int> also = {});

/** The same for an open file: it is closed again. */
Result notOpened(const char* path, int flags);

std::vector<Attack> callAttacks();     // system calls
std::vector<Attack> fileAttacks();     // files, mounts, devices
std::vector<Attack> processAttacks();  // other processes, descriptors, rights

}  // namespace attack
