// Signals by name.
#pragma once

#include <string>
#include <string_view>

namespace lightv {

/** "SIGTERM", "term", "15", "RTMIN+3" -> the number; 0 when there is no such signal. */
int parseSignal(std::string_view text);
/** "TERM" for 15; the number when it has no name. */
std::string signalName(int signal);

/** As a program begins: each to its default, none blocked. For children before execve; alloc-free. */
void resetSignals();

}  // namespace lightv
