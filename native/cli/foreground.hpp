// A sandbox in the foreground: what run, start -a and attach share.
#pragma once

#include "cli/output.hpp"
#include "cli/session.hpp"

namespace lightv::cli {

struct ForegroundOptions {
  bool output = true;  // attach stdout
  bool errors = true;  // attach stderr
  bool input = false;  // attach stdin
  bool proxySignals = true;
  std::string detachKeys;  // bytes
};

/** From --detach-keys, --sig-proxy and --attach; an error names the flag. */
Result<ForegroundOptions> foregroundOptions(const Parsed& parsed);
/** A terminal needs one on our side too. */
Status checkTerminal(bool terminal, bool input);

/** Starts `id` (or joins it when `start` is false) and stays until it ends or the user leaves. Returns the command's
 * exit code. */
int runForeground(const Engine& engine, const Parsed& parsed, const Spec& spec, bool start,
                  const ForegroundOptions& options);

/** What Docker says when the detach keys were typed. */
void tellDetached();
/** Warnings of the engine, one a line. */
void showWarnings(const std::vector<std::string>& warnings);

}  // namespace lightv::cli
