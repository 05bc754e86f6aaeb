#include "cli/template.hpp"

#include <nlohmann/json.hpp>

#include "cli/template_parse.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

using Json = nlohmann::ordered_json;
using Nodes = std::vector<TemplateNode>;
using Words = std::vector<std::string>;

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/** As Go's fmt prints it: texts bare, lists `[a b]`, maps `map[k:v]`. */
std::string show(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_null()) return "<no value>";
  if (!value.is_structured()) return dump(value);
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += ' ';
    if (value.is_object()) text += key + ":";
    text += show(item);
  }
  return (value.is_object() ? "map[" : "[") + text + "]";
}

bool isTrue(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

/** Structures of ours have capital keys; maps that users fill may lack any key. */
bool isUserMap(const Json& value) {
  for (const auto& [key, item] : value.items()) {
    (void)item;
    if (key.empty() || key[0] < 'A' || key[0] > 'Z') return true;
  }
  return value.empty();
}

Result<Json> fieldOf(const Json& dot, std::string_view path) {
  Json at = dot;
  for (const std::string& name : split(path, '.')) {
    if (name.empty()) continue;
    if (!at.is_object()) return Error{"template: ." + name + ": what comes before it has no fields"};
    const auto found = at.find(name);
    if (found == at.end() && !isUserMap(at)) {
      return Error{"template: no field ." + name, 0, "", "{{json .}} shows what there is"};
    }
    Json next = found == at.end() ? Json() : *found;
    at = std::move(next);
  }
  return at;
}

Result<Json> indexInto(const Json& value, const Json& key) {
  if (value.is_object() && key.is_string()) {
    const auto found = value.find(key.get_ref<const std::string&>());
    return found == value.end() ? Json("") : *found;
  }
  if (value.is_array() && key.is_number_unsigned() && key.get<std::size_t>() < value.size())
    return value[key.get<std::size_t>()];
  return Error{"template: index: " + dump(key) + " is not in the list or map"};
}

Result<Json> call(const std::string& name, const std::vector<Json>& args) {
  const auto needs = [&](std::size_t count) { return args.size() == count; };
  if (name == "json" && needs(1)) return Json(dump(args[0]));
  if (name == "len" && needs(1))
    return Json(args[0].is_string() ? args[0].get_ref<const std::string&>().size() : args[0].size());
  if (name == "upper" && needs(1)) return Json(toUpper(show(args[0])));
  if (name == "lower" && needs(1)) return Json(toLower(show(args[0])));
  if (name == "not" && needs(1)) return Json(!isTrue(args[0]));
  if (name == "println" && needs(1)) return Json(show(args[0]) + "\n");
  if (name == "eq" && needs(2)) return Json(args[0] == args[1]);
  if (name == "ne" && needs(2)) return Json(args[0] != args[1]);
  if (name == "index" && needs(2)) return indexInto(args[0], args[1]);
  if (name == "join" && needs(2)) {
    Words pieces;
    for (const Json& item : args[0]) pieces.push_back(show(item));
    return Json(join(pieces, show(args[1])));
  }
  for (const char* known : {"json", "len", "upper", "lower", "not", "println", "eq", "ne", "index", "join"}) {
    if (name == known) return Error{"template: wrong number of arguments for " + name};
  }
  return Error{"template: no function " + name, 0, "",
               "there are json, len, upper, lower, not, println, eq, ne, index and join"};
}

class Renderer {
 public:
  explicit Renderer(const Nodes& nodes) : nodes_(nodes) {}

  /** Renders nodes from `at` up to `end`. */
  Status render(std::size_t at, std::size_t end, const Json& dot) {
    while (at < end) {
      const TemplateNode& node = nodes_[at];
      if (node.kind == NodeKind::text) {
        out_ += node.text;
        ++at;
        continue;
      }
      Result<Json> value = evaluate(node.words, dot);
      if (!value) return value.error();
      if (node.kind == NodeKind::action) {
        out_ += show(*value);
        ++at;
        continue;
      }
      const Block block = blockAt(at);
      if (Status status = renderBlock(node.kind, at, block, *value, dot); !status) return status;
      at = block.end + 1;
    }
    return {};
  }

  std::string take() { return std::move(out_); }

 private:
  struct Block {
    std::size_t otherwise = 0, end = 0;  // `otherwise` is `end` when there is none
  };

  [[nodiscard]] Block blockAt(std::size_t open) const {
    Block block;
    unsigned depth = 0;
    for (std::size_t at = open;; ++at) {
      const NodeKind kind = nodes_[at].kind;
      if (kind == NodeKind::range || kind == NodeKind::condition) ++depth;
      if (kind == NodeKind::otherwise && depth == 1) block.otherwise = at;
      if (kind == NodeKind::end && --depth == 0) {
        block.end = at;
        if (block.otherwise == 0) block.otherwise = at;
        return block;
      }
    }
  }

  Status renderBlock(NodeKind kind, std::size_t open, const Block& block, const Json& value, const Json& dot) {
    if (!isTrue(value)) return render(block.otherwise + 1, block.end, dot);
    if (kind == NodeKind::condition) return render(open + 1, block.otherwise, dot);
    if (!value.is_structured()) return Error{"template: range needs a list or a map"};
    for (const Json& item : value) {
      if (Status status = render(open + 1, block.otherwise, item); !status) return status;
    }
    return {};
  }

  Result<Json> operand(const std::string& word, const Json& dot) {
    if (word[0] == '"') return Json(word.substr(1));
    if (word[0] == '.') return fieldOf(dot, word);
    if (const auto number = parseInteger<std::uint64_t>(word)) return Json(*number);
    if (word == "true" || word == "false") return Json(word == "true");
    return call(word, {});
  }

  Result<Json> evaluate(const Words& words, const Json& dot) {
    std::optional<Json> piped;
    for (std::size_t at = 0; at < words.size();) {
      const std::string& head = words[at++];
      std::vector<Json> args;
      for (; at < words.size() && words[at] != "|"; ++at) {
        Result<Json> arg = operand(words[at], dot);
        if (!arg) return arg;
        args.push_back(std::move(*arg));
      }
      ++at;  // the pipe
      if (piped) args.push_back(std::move(*piped));
      const bool isValue = head[0] == '"' || head[0] == '.';
      if (isValue && !args.empty()) return Error{"template: " + head + " takes no arguments"};
      Result<Json> value = isValue ? operand(head, dot) : call(head, args);
      if (!value) return value;
      piped = std::move(*value);
    }
    return piped ? *piped : Json();
  }

  const Nodes& nodes_;
  std::string out_;
};

}  // namespace

Result<std::string> renderTemplate(std::string_view source, const std::string& json) {
  const Result<Nodes> nodes = parseTemplate(source);
  if (!nodes) return nodes.error();
  const Json dot = Json::parse(json, nullptr, false);
  if (dot.is_discarded()) return Error{"template: what should be shown is not JSON"};
  Renderer renderer(*nodes);
  if (Status status = renderer.render(0, nodes->size(), dot); !status) return status.error();
  return renderer.take();
}

}  // namespace lightv::cli
