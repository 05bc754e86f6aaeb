// The ids of a sandbox on the host: a range of its own with its user namespace, or the host's own where there can be
// none and none was asked for.
#pragma once

#include <string>
#include <vector>

#include "core/spec.hpp"
#include "monitor/layout.hpp"
#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Gives one that is being made its range. Where none is left it gets the host's ids, unless it was asked for. */
Status giveIds(const SandboxFiles& files, Spec& spec);

/** The same for one that is about to run: `guard` keeps other engines of the machine from its ids (id_guard.hpp). */
Status giveIds(const SandboxFiles& files, Spec& spec, Fd& guard);

/**
 * Before a start: its range is its own still, or it gets another, which its config.json then has. Where there is none
 * it gets the host's ids: for good, or with `hasLayer`, one that was made in a user namespace, for this run.
 */
Status keepIds(const SandboxFiles& files, Spec& spec, Fd& guard, bool hasLayer);

/** Whether one that failed with this error shall start with the host's ids. */
bool mayTakeHostIds(const Spec& spec, const Error& error);

/** Makes it one with the host's ids. */
void takeHostIds(Spec& spec, const Error& why);

/**
 * Writes into its config.json that it has the host's ids and frees its range: from then on it tries nothing else. An
 * overlay marks what it hides in another way in a user namespace, so a writable layer that began with the host's ids
 * stays with them.
 */
Status keepHostIds(const SandboxFiles& files, const Spec& spec);

/** Adds why it has the host's ids. Of those that keep them only the first after a boot says so: the rest say the same.
 */
void warnOfHostIds(const Paths& paths, const Spec& spec, bool keeps, std::vector<std::string>& warnings);

}  // namespace lightv
