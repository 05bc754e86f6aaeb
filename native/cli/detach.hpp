// The keys that leave a sandbox's terminal without ending it: Ctrl-P Ctrl-Q unless --detach-keys says otherwise.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.hpp"

namespace lightv::cli {

constexpr const char* kDefaultDetachKeys = "ctrl-p,ctrl-q";

/** "ctrl-p,ctrl-q", "ctrl-@,a": the bytes that these keys send. Empty is fine: no detaching. */
Result<std::string> parseDetachKeys(std::string_view text);

/** Watches what is typed. Keys that may begin the sequence are held back until it is clear that they don't. */
class DetachScanner {
 public:
  explicit DetachScanner(std::string keys) : keys_(std::move(keys)) {}

  /** Appends to `forward` what the program shall get of `typed`; true when the sequence is complete. */
  bool feed(std::string_view typed, std::string& forward);

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace lightv::cli
