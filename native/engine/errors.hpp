// Failures that several verbs share, in Docker's words where it has some.
#pragma once

#include <cerrno>
#include <string>

#include "sys/result.hpp"

namespace lightv {

/** ENOENT */
inline Error noSuchSandbox(const std::string& given) {
  return Error{"No such sandbox: " + given, ENOENT, "", "", true};
}
/** ESRCH */
inline Error notRunning(const std::string& id) {
  return Error{"Sandbox " + id + " is not running", ESRCH, "", "lightv start " + id + " starts it", true};
}

}  // namespace lightv
