// Help texts, from the tables of the verbs.
#pragma once

#include <string>

#include "cli/command.hpp"

namespace lightv::cli {

/** `lightv --help` */
std::string overallHelp();
/** `lightv VERB --help` */
std::string verbHelp(const Verb& verb);

}  // namespace lightv::cli
