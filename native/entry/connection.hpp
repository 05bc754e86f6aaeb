// A connection to a prepared sandbox, and what comes over it.
#pragma once

#include "entry/command.hpp"
#include "entry/handover.hpp"
#include "entry/text.hpp"

namespace lightv::entry {

/** Connects to where sandboxes of the command's image wait, and never waits itself. Below zero: there are none. */
long connectToPool(const Command& command);

/** Sends the request with stdout and stderr. */
bool sendRequest(long socket, Text request);

/**
 * Follows what the sandbox says. Returns the command's exit code, or -1 when it is for the whole program to go on from
 * where `handover` says: something unusual was said, a signal came, or nothing for too long.
 */
int follow(long socket, long signals, Handover& talk);

/** The words of monitor/control.hpp in their plain form, and nothing else. Pure. */
bool readTaken(Text message, Text& id);
bool readStarted(Text message, int& pid);
bool readEnded(Text message, int& exitCode);

}  // namespace lightv::entry
