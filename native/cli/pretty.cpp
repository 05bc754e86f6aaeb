#include "cli/pretty.hpp"

namespace lightv::cli {

std::string prettyJson(std::string_view compact) {
  constexpr std::size_t indent = 4;
  std::string out;
  std::size_t depth = 0;
  bool inText = false;
  const auto newLine = [&] { out.append("\n").append(depth * indent, ' '); };
  for (std::size_t at = 0; at < compact.size(); ++at) {
    const char c = compact[at];
    if (inText) {
      out += c;
      if (c == '\\' && at + 1 < compact.size()) out += compact[++at];
      if (c == '"') inText = false;
      continue;
    }
    const bool empty =
        at + 1 < compact.size() && ((c == '{' && compact[at + 1] == '}') || (c == '[' && compact[at + 1] == ']'));
    if (empty) {
      out.append(compact.substr(at++, 2));
    } else if (c == '{' || c == '[') {
      out += c;
      ++depth;
      newLine();
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
      newLine();
      out += c;
    } else if (c == ',') {
      out += c;
      newLine();
    } else if (c == ':') {
      out += ": ";
    } else {
      inText = c == '"';
      out += c;
    }
  }
  return out;
}

}  // namespace lightv::cli
