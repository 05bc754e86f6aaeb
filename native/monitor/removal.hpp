// How a sandbox goes away, step by step, so that a kill at any point leaves either a whole sandbox or only what
// Engine::sweep finds. The caller holds the sandbox's lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec.hpp"
#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * Excludes others who take names away (symlink(2) alone excludes those who claim one): held over "this name is still
 * mine, or nobody's" and the unlink. Released when the Fd closes.
 */
Result<Fd> lockNames(const Paths& paths);

/** Gives the name free; false when it does not point to `id` (any more). */
Result<bool> freeName(const Paths& paths, const std::string& name, const std::string& id);
/** The same for who has lockNames(). */
Result<bool> freeNameLocked(const Paths& paths, const std::string& name, const std::string& id);

/** The one step by which a sandbox vanishes: its directory gets a name that nobody looks at. Missing is fine. */
Status hideDirectory(const SandboxFiles& files);

/** That step, then its name is free; until then whoever wants the name finds that it leads nowhere, and takes it over.
 */
Status hideSandbox(const SandboxFiles& files, const std::string& name);

/** Marks a sandbox that is about to be hidden: its own volumes go with it, also when another process must finish that.
 */
Status markVolumesForRemoval(const SandboxFiles& files);
bool hasVolumesMark(const std::string& directory);

/** Frees its range of ids (0: it has none) and deletes what hideSandbox() hid, the run directory with the lock last. */
Status deleteHidden(const SandboxFiles& files, std::uint32_t idBase);

/** Names of the volumes that were made for this sandbox alone. */
std::vector<std::string> anonymousVolumes(const Spec& spec);
Status deleteVolumes(const Paths& paths, const std::vector<std::string>& names);

}  // namespace lightv
