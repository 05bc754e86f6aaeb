// The plain form of a prepared sandbox's answers; any other is left to who reads JSON.
#include "entry/connection.hpp"

namespace lightv::entry {

bool readTaken(Text message, Text& id) {
  if (!take(message, word("{\"ok\":true,\"id\":\"")) || !endsWith(message, word("\"}"))) return false;
  id = {message.data, message.size - 2};
  for (const char c : id) {
    if (!isHexDigit(c)) return false;
  }
  return !id.empty() && id.size <= kMostIdBytes;
}

bool readStarted(Text message, int& pid) {
  if (!take(message, word("{\"ok\":true,\"pid\":"))) return false;
  pid = takeNumber(message);
  return pid > 0 && equal(message, word("}"));
}

bool readEnded(Text message, int& exitCode) {
  if (!take(message, word("{\"ok\":true,\"exitCode\":"))) return false;
  exitCode = takeNumber(message);
  if (exitCode < 0 || !take(message, word(",\"signal\":")) || takeNumber(message) < 0) return false;
  if (!take(message, word(",\"oomKilled\":true")) && !take(message, word(",\"oomKilled\":false"))) return false;
  if (!take(message, word(",\"finishedAt\":\""))) return false;
  while (!message.empty() && message.data[0] != '"' && message.data[0] != '\\') message = from(message, 1);
  return equal(message, word("\",\"error\":\"\"}"));
}

}  // namespace lightv::entry
