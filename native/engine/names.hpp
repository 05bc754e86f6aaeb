// Names of sandboxes: what they may look like, and who has one. A name is a symbolic link to an id (docs/sandbox.md).
#pragma once

#include <string>
#include <string_view>

#include "monitor/layout.hpp"
#include "sys/result.hpp"

namespace lightv {

/** [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 128 bytes. */
bool isSandboxName(std::string_view name);
/** 16 hexadecimal digits. */
bool isSandboxId(std::string_view id);

/** `count` random hexadecimal digits from getrandom(2). */
Result<std::string> randomHex(unsigned count);
/** "eager_lighthouse"; with a number behind it when `attempt` is not 0. */
Result<std::string> generateName(unsigned attempt);

/** The id that a name leads to; ENOENT when there is no such name. */
Result<std::string> readName(const Paths& paths, const std::string& name);
/** Is the sandbox there, or just being made? Else a name that leads to it may be taken. */
bool isOwner(const Paths& paths, const std::string& id);
/** Points a free name at `id`; takes over one that leads to nothing. EEXIST: it is in use. */
Status claimName(const Paths& paths, const std::string& name, const std::string& id);

}  // namespace lightv
