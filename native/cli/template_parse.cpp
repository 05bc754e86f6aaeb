#include "cli/template_parse.hpp"

#include "sys/text.hpp"

namespace lightv::cli {

namespace {

Error syntax(const std::string& what, std::string_view where) {
  return Error{"template: " + what + " in {{" + std::string(where) + "}}"};
}

/** `\t` and `\n` as people type them in a shell. */
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char next = text[at] == '\\' && at + 1 < text.size() ? text[at + 1] : '\0';
    if (next == 't' || next == 'n') {
      out += next == 't' ? '\t' : '\n';
      ++at;
    } else {
      out += text[at];
    }
  }
  return out;
}

Result<std::vector<std::string>> cutWords(std::string_view action) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < action.size();) {
    const char first = action[at];
    if (first == ' ' || first == '\t' || first == '\n') {
      ++at;
    } else if (first == '"' || first == '`') {
      const std::size_t end = action.find(first, at + 1);
      if (end == std::string_view::npos) return syntax("a text that doesn't end", action);
      words.push_back("\"" + std::string(action.substr(at + 1, end - at - 1)));
      at = end + 1;
    } else if (first == '|') {
      words.emplace_back("|");
      ++at;
    } else {
      const std::size_t end = action.find_first_of(" \t\n|\"`", at);
      words.emplace_back(action.substr(at, end - at));
      at = end == std::string_view::npos ? action.size() : end;
    }
  }
  return words;
}

Result<TemplateNode> parseAction(std::string_view action) {
  Result<std::vector<std::string>> words = cutWords(action);
  if (!words) return words.error();
  if (words->empty()) return syntax("nothing to show", action);
  TemplateNode node{.kind = NodeKind::action, .text = "", .words = std::move(*words)};
  const std::string word = node.words.front();
  if (word == "range") node.kind = NodeKind::range;
  if (word == "if") node.kind = NodeKind::condition;
  if (word == "else") node.kind = NodeKind::otherwise;
  if (word == "end") node.kind = NodeKind::end;
  if (node.kind != NodeKind::action) node.words.erase(node.words.begin());
  const bool opens = node.kind == NodeKind::range || node.kind == NodeKind::condition;
  if (opens && node.words.empty()) return syntax("a value is missing", action);
  const bool alone = node.kind == NodeKind::otherwise || node.kind == NodeKind::end;
  if (alone && !node.words.empty()) return syntax("an unexpected word", action);
  return node;
}

Status checkBlocks(const std::vector<TemplateNode>& nodes) {
  std::vector<bool> hasElse;
  for (const TemplateNode& node : nodes) {
    if (node.kind == NodeKind::range || node.kind == NodeKind::condition) {
      hasElse.push_back(false);
    } else if (node.kind == NodeKind::otherwise) {
      if (hasElse.empty() || hasElse.back()) return Error{"template: {{else}} without its {{if}} or {{range}}"};
      hasElse.back() = true;
    } else if (node.kind == NodeKind::end) {
      if (hasElse.empty()) return Error{"template: {{end}} without {{if}} or {{range}}"};
      hasElse.pop_back();
    }
  }
  if (!hasElse.empty()) return Error{"template: {{if}} or {{range}} without {{end}}"};
  return {};
}

}  // namespace

Result<std::vector<TemplateNode>> parseTemplate(std::string_view source) {
  std::vector<TemplateNode> nodes;
  bool trimNext = false;
  while (!source.empty()) {
    const std::size_t open = source.find("{{");
    std::string_view text = source.substr(0, open);
    if (trimNext) text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
    source.remove_prefix(std::min(open, source.size()));
    const bool trimmed = source.starts_with("{{- ");
    if (trimmed) text = text.substr(0, text.find_last_not_of(" \t\n") + 1);
    if (!text.empty()) nodes.push_back({.kind = NodeKind::text, .text = unescape(text), .words = {}});
    if (source.empty()) break;
    const std::size_t close = source.find("}}");
    if (close == std::string_view::npos) return syntax("no closing braces", source.substr(2));
    std::string_view action = source.substr(2, close - 2);
    source.remove_prefix(close + 2);
    if (trimmed) action.remove_prefix(1);
    trimNext = action.ends_with(" -");
    if (trimNext) action.remove_suffix(1);
    Result<TemplateNode> node = parseAction(action);
    if (!node) return node.error();
    nodes.push_back(std::move(*node));
  }
  if (Status status = checkBlocks(nodes); !status) return status.error();
  return nodes;
}

}  // namespace lightv::cli
