// What a program saw of its sandbox, to be compared: prepared or from nothing, it has to be the same.
#pragma once

#include <algorithm>
#include <iterator>

#include "pool_fixture.hpp"

namespace pooltest {

inline std::string withoutId(std::string text, const std::string& id) {
  for (const std::string& part : {id, id.substr(0, 12)}) {
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part))
      text.replace(at, part.size(), "ID");
  }
  return text;
}

inline constexpr const char* kMounts =
    "while read id parent device root target options rest; do echo $root $target $options ${rest##*- }; done "
    "< /proc/self/mountinfo";

/** Lines that one has and the other has not; a few words each, for the test's output. */
inline std::vector<std::string> differences(const std::string& one, const std::string& other) {
  std::vector<std::string> left = split(one, '\n');
  std::vector<std::string> right = split(other, '\n');
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  std::vector<std::string> different;
  std::set_symmetric_difference(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(different));
  for (const std::string& line : different) MESSAGE(line);
  return different;
}

/** Without the digits behind each `key`. */
inline void eraseNumbers(std::string& text, const std::string& key) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    const std::size_t digits = at + key.size();
    text.erase(digits, text.find_first_not_of("0123456789", digits) - digits);
  }
}

/** Without the numbers of descriptors by which an overlay's layers were named, and the sandbox's range of ids. */
inline std::string lookOf(const Ran& ran) {
  std::string text = withoutId(ran.out, ran.id);
  for (const char* key : {"dir=/proc/self/fd/", "uid=", "gid="}) eraseNumbers(text, key);
  return text;
}

}  // namespace pooltest
