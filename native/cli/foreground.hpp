// A sandbox in the foreground: what run, start -a and attach share.
#pragma once

#include <functional>
#include <string>

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

/** What a sandbox in the foreground begins with: how a start or an attach went, and the id, which a start may make. */
struct Begun {
  std::string id;
  Result<Started> started;
};
using Begin = std::function<Begun(const StartOptions& options)>;

/** Begins, and stays until it ends or the user leaves. Of `spec` only what the request says has to be there. Returns
 * the command's exit code. */
int runForeground(const Engine& engine, const Parsed& parsed, const Spec& spec, const Begin& begin,
                  const ForegroundOptions& options);

/** What Docker says when the detach keys were typed. */
void tellDetached();
/** Warnings of the engine, one a line. */
void showWarnings(const std::vector<std::string>& warnings);

}  // namespace lightv::cli
