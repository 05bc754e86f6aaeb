// `--sysctl`: which kernel settings belong to a namespace that a sandbox has of its own, and so may be its own.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/spec.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * "net.ipv4.ip_forward" to "net/ipv4/ip_forward", where it lies below /proc/sys; as sysctl(8) has it, the first of '.'
 * and '/' is what separates, so that "net/ipv4/conf/eth0.100/…" can be said. EINVAL for what can't be a setting's name.
 */
Result<std::string> sysctlPath(std::string_view key);

/** EPERM with the reason when a setting is the whole machine's, or of a namespace that this sandbox shares. */
Status checkSysctls(const Spec& spec);

/** The path of the domain name, which setdomainname(2) sets: its file is for the first user namespace alone. */
inline constexpr const char* kDomainName = "kernel/domainname";

}  // namespace lightv
