#include "cli/verbs.hpp"

#include <array>

namespace lightv::cli {

std::span<const Verb* const> allVerbs() {
  static constexpr std::array kAll = {&kRun,         &kExec,   &kList,    &kLogs,     &kStats,      &kTop,    &kAttach,
                                      &kInspect,     &kCreate, &kStart,   &kStop,     &kRestart,    &kKill,   &kRemove,
                                      &kWait,        &kPause,  &kUnpause, &kRename,   &kUpdate,     &kImages, &kTag,
                                      &kRemoveImage, &kVerify, &kPlan,    &kInfo,     &kRuntime,    &kSystem, &kVersion,
                                      &kCompletion,  &kHelp,   &kMonitor, &kComplete, &kAgentLaunch};
  return kAll;
}

const Verb* findVerb(std::string_view name) {
  for (const Verb* verb : allVerbs()) {
    if (name == verb->name) return verb;
  }
  return nullptr;
}

}  // namespace lightv::cli
