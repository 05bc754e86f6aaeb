// Capability names, sets, and how a process gives up what it may not have (capabilities(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

/** A set as the kernel numbers them: bit n is capability n. */
using CapabilitySet = std::uint64_t;

/** All names that this program knows, without CAP_, by number. */
const std::vector<std::string_view>& capabilityNames();

/** The number for "NET_ADMIN", "cap_net_admin" or "CAP_NET_ADMIN". */
std::optional<unsigned> capabilityNumber(std::string_view name);

/**
 * What a sandbox has when nobody asks for more: Docker's fourteen without MKNOD (device nodes), NET_RAW (forged
 * packets on a shared network) and AUDIT_WRITE. Sorted.
 */
std::vector<std::string> defaultCapabilities();

/**
 * `--cap-add` and `--cap-drop` over the default, as Docker orders them: ALL first, then single ones; "ALL" takes in
 * all that exist. Returns names without CAP_, sorted. EINVAL names an unknown one.
 */
Result<std::vector<std::string>> resolveCapabilities(const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop);

/** Names to bits; EINVAL names an unknown one. */
Result<CapabilitySet> capabilitySet(const std::vector<std::string>& names);

/** Removes what is not in `keep` from the bounding set. errno on failure. Allocates nothing. */
int dropBoundingSet(CapabilitySet keep);
/**
 * Sets permitted and effective to `keep` (cut to what this process has), inheritable and ambient to nothing.
 * errno on failure. Allocates nothing.
 */
int setCapabilities(CapabilitySet keep);

}  // namespace lightv
