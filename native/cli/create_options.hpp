// What run, create and update understand of their flags.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"

namespace lightv::cli {

struct CreateOptions {
  CreateRequest request;
  std::vector<std::string> envFiles, env, labelFiles, labels;
  std::optional<std::uint64_t> memorySwap;  // memory and swap together, as Docker counts
  bool unlimitedSwap = false;
  std::optional<std::uint64_t> cpusMilli;
  std::optional<RestartPolicy> restart;  // given, so that update knows
};

/** Flags of run and create: the program, its files, its rights. */
std::span<const Flag> createFlags();
/** Flags of run, create and update: budgets and the restart policy. */
std::span<const Flag> limitFlags();

/** Applies the flags that were given, in their order, then what needs all of them (files before single values). */
Status applyFlags(const Parsed& parsed, CreateOptions& options);
/** applyFlags(), and the arguments IMAGE [COMMAND] [ARG...]. */
Result<CreateOptions> createOptions(const Parsed& parsed);

/** `invalid value "V" for --FLAG: WANTED` */
Error invalidValue(std::string_view flag, std::string_view value, const std::string& wanted);

// Values with a grammar of their own.
Status addVolume(Spec& spec, std::string_view value);               // -v SOURCE:TARGET[:ro]
Status addMount(Spec& spec, std::string_view value);                // --mount type=…,source=…,target=…
Status addTmpfs(Spec& spec, std::string_view value);                // --tmpfs PATH[:size=…,mode=…]
Status setShmSize(Spec& spec, std::string_view value);              // --shm-size BYTES
Status addUlimit(Spec& spec, std::string_view value);               // --ulimit NAME=SOFT[:HARD]
Status setRestart(CreateOptions& options, std::string_view value);  // --restart on-failure:3
Status addSysctl(Spec& spec, std::string_view value);               // --sysctl KEY=VALUE
Status addSecurityOption(Spec& spec, std::string_view value);       // --security-opt
Status addLogOption(Spec& spec, std::string_view value);            // --log-opt
Status addStorageOption(Spec& spec, std::string_view value);        // --storage-opt size=…
enum class IoKind { readBps, writeBps, readIops, writeIops };
Status addDeviceLimit(Limits& limits, std::string_view flag, std::string_view value, IoKind kind);

}  // namespace lightv::cli
