// All verbs of the command.
#pragma once

#include <span>
#include <string_view>

#include "cli/command.hpp"

namespace lightv::cli {

extern const Verb kRun, kCreate, kStart, kStop, kRestart, kKill, kRemove, kWait, kList, kInspect, kLogs, kStats, kTop,
    kExec, kAttach, kPause, kUnpause, kRename, kUpdate, kImages, kRemoveImage, kTag, kVerify, kPlan, kVersion, kInfo,
    kCompletion, kHelp, kRuntime, kSystem, kMonitor, kComplete, kAgentLaunch;

/** In the order of the help text. */
std::span<const Verb* const> allVerbs();
const Verb* findVerb(std::string_view name);

}  // namespace lightv::cli
