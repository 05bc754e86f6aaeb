// AppArmor (apparmor(7), Documentation/admin-guide/LSM/apparmor.rst): the profile that a workload's program gets at its
// execve, where the kernel has it. docs/security.md, "AppArmor", tells who has which.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/spec.hpp"
#include "sys/fd.hpp"

namespace lightv {

/** The profile of every sandbox that says nothing else: configs/sandbox/apparmor-lightv-default. */
inline constexpr std::string_view kDefaultAppArmorProfile = "lightv-default";
inline constexpr std::string_view kAppArmorUnconfined = "unconfined";

/** A change of label at the next execve, laid out before clone. */
struct AppArmorChange {
  std::string text;    // what is written; empty: nothing
  bool asked = false;  // by the user: then a refusal starts nothing
  Fd proc;             // the host's /proc, which nobody inside can put another file into
};

/** Pure. EINVAL for what can't be a profile's name. */
Status checkAppArmorProfile(std::string_view name);

/** The profile that `spec` is to have: its own, the default, or "unconfined". Pure. */
std::string_view appArmorProfile(const Spec& spec);

/** Whether this kernel has AppArmor, switched on. */
bool hasAppArmor();

/** Whether `list`, the kernel's list of profiles ("NAME (MODE)" lines), has `name`. Pure. */
bool listsProfile(std::string_view list, std::string_view name);

/** Whether the kernel has this profile; true too when it does not let itself be asked. */
bool isProfileLoaded(std::string_view name);

/**
 * The change for `spec`. A default that can't be had is none; a profile that was asked for is ENOTSUP where the kernel
 * has no AppArmor, and ENOENT when it is not loaded.
 */
Result<AppArmorChange> prepareAppArmor(const Spec& spec);

/**
 * Writes `text` for the calling process into `proc`'s self/attr/apparmor/exec (attr/exec before Linux 5.8). Only ever
 * into a procfs (CVE-2019-16884). Allocates nothing. errno on failure: ENOENT when the profile is not loaded.
 */
int changeAtExec(int proc, std::string_view text);

/** The profile that a process has, without its mode; empty where there is no AppArmor or no such process. */
std::string appArmorOf(pid_t pid);

}  // namespace lightv
