#include "cli/detach.hpp"

#include "sys/text.hpp"

namespace lightv::cli {

Result<std::string> parseDetachKeys(std::string_view text) {
  std::string keys;
  if (text.empty()) return keys;
  for (const std::string& key : split(text, ',')) {
    if (key.size() == 1) {
      keys += key[0];
      continue;
    }
    const std::string_view control = std::string_view(key).starts_with("ctrl-") ? std::string_view(key).substr(5) : "";
    const char letter = control.size() == 1 ? toUpper(control)[0] : '\0';
    // Control characters are the letter's code with the upper bits cleared: @ A … Z [ \ ] ^ _
    if (letter < '@' || letter > '_') {
      return Error{"invalid value \"" + std::string(text) + "\" for --detach-keys", 0, "",
                   "a comma-separated list of single characters and ctrl-X, X one of a to z @ [ \\ ] ^ _"};
    }
    keys += static_cast<char>(letter & 0x1F);
  }
  return keys;
}

bool DetachScanner::feed(std::string_view typed, std::string& forward) {
  for (const char key : typed) {
    if (keys_.empty()) {
      forward += key;
      continue;
    }
    if (key != keys_[matched_]) {
      forward.append(keys_, 0, matched_);
      matched_ = 0;
      if (key != keys_[0]) {
        forward += key;
        continue;
      }
    }
    if (++matched_ == keys_.size()) return true;
  }
  return false;
}

}  // namespace lightv::cli
