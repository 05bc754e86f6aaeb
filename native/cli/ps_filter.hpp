// `ps --filter`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace lightv::cli {

/** Values of one key are alternatives (of `label`: all are wanted); keys add up. */
class PsFilter {
 public:
  /** From the values of --filter, each KEY=VALUE. An error names the key or value. */
  static Result<PsFilter> parse(const std::vector<std::string>& filters);
  [[nodiscard]] bool matches(const SandboxInfo& info) const;
  /** Does it ask about sandboxes that don't run? Then they are looked at without --all. */
  [[nodiscard]] bool wantsStopped() const { return values_.contains("status") || values_.contains("exited"); }

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace lightv::cli
