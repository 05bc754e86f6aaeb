// JSON for people.
#pragma once

#include <string>
#include <string_view>

namespace lightv::cli {

/** Compact JSON with line breaks and four blanks a level, as `docker inspect` prints it. Changes nothing else. */
std::string prettyJson(std::string_view compact);

}  // namespace lightv::cli
