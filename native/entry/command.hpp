// The plain form of `lightv run`, and what it asks of a prepared sandbox. Pure: no system call, no memory of its own.
#pragma once

#include <cstddef>

#include "entry/text.hpp"

namespace lightv::entry {

inline constexpr std::size_t kMostVariables = 64;

struct Command {
  Text root, runRoot;
  Text image, name, workDirectory, user;
  bool autoRemove = false;
  const char* const* words = nullptr;  // behind the image, up to a null
  std::size_t variableCount = 0;
  // Up to a null too. Not cleared: that would be a call of memset(3).
  const char* variables[kMostVariables + 1];  // NOLINT(cppcoreguidelines-pro-type-member-init)
};

/**
 * Reads a command line as cli/parse.cpp and cli/create_flags.cpp do. False: it is none of the few that are known here,
 * or one that has to be complained of.
 */
bool readCommand(const char* const* argv, const char* const* environment, Command& command);

/** The message to a prepared sandbox, byte for byte what toJson(PoolRequest) makes (engine/pool_talk.hpp). */
void writeRequest(const Command& command, Buffer& out);

/** Appends the path of the file that says what the image's name means, and a zero (image/store.cpp). */
void writeReferencePath(const Command& command, Buffer& out);

/** The hex of "sha256:<64 hex>", perhaps with a line's end; empty for anything else. */
Text digestHex(Text text);

}  // namespace lightv::entry
