// What an ordinary user lacks on this machine: for `lightv info`.
#pragma once

#include <string>
#include <vector>

#include "monitor/layout.hpp"

namespace lightv {

/** A sentence each, with what to do where something can be done. Empty: all is there. */
std::vector<std::string> whatUserLacks(const Paths& paths);

}  // namespace lightv
