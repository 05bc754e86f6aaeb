// What the service manager's units run (configs/systemd, docs/service.md): not for people, so not in the help.
#pragma once

#include <string_view>

#include "cli/command.hpp"

namespace lightv::cli {

struct ServiceAction {
  std::string_view name;  // lightv system NAME
  int (*run)(const Engine& engine, const Parsed& parsed);
};

/** nullptr when there is none of that name. */
const ServiceAction* findServiceAction(std::string_view name);

inline constexpr Flag kIfShuttingDown = {.name = "if-shutting-down",
                                         .help = "stop-all: only when the whole system is going down"};

}  // namespace lightv::cli
