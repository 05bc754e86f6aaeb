#include "sys/json.hpp"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>

namespace lightv {

using Json = nlohmann::json;

struct JsonReader::Node {
  const Json* json = nullptr;
  std::string path;  // "limits.", with the dot
  std::set<std::string, std::less<>> asked;
};

struct JsonReader::Document {
  std::string what;
  Json json;
  std::deque<Node> nodes;  // a deque: readers keep pointers
  std::optional<Error> error;

  void note(const std::string& path, const std::string& message) {
    if (!error) error = Error{what, EINVAL, path + ": " + message};
  }
};

namespace {

// The parser itself does not recurse, but destructors and later readers may: depth is bounded before it starts.
bool isTooDeep(std::string_view text) {
  int depth = 0;
  bool inString = false;
  for (std::size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (inString) {
      if (c == '\\') i++;
      if (c == '"') inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > 64) return true;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return false;
}

const Json* lookUp(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string rangeText(const std::string& min, const std::string& max) {
  return "must be a whole number from " + min + " to " + max;
}

template <class T>
bool readNumber(const Json& json, T& out, T min, T max) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (max < 0 || value > static_cast<std::uint64_t>(max) || (min > 0 && value < static_cast<std::uint64_t>(min))) {
      return false;
    }
    out = static_cast<T>(value);
    return true;
  }
  if (!json.is_number_integer()) return false;
  // The parser keeps only negative numbers as signed ones.
  const auto value = json.get<std::int64_t>();
  if (std::is_unsigned_v<T> || value < static_cast<std::int64_t>(min) || value > static_cast<std::int64_t>(max)) {
    return false;
  }
  out = static_cast<T>(value);
  return true;
}

void addUnknown(Json& fresh, const Json& original, const Json& known) {
  if (fresh.is_object() && original.is_object() && known.is_object()) {
    for (const auto& [key, value] : original.items()) {
      const auto mine = known.find(key);
      const auto there = fresh.find(key);
      if (there == fresh.end()) {
        if (mine == known.end()) fresh[key] = value;
      } else if (mine != known.end()) {
        addUnknown(*there, value, *mine);
      }
    }
  }
  if (!fresh.is_array() || !original.is_array() || !known.is_array()) return;
  if (fresh.size() != original.size() || known.size() != original.size()) return;
  for (std::size_t at = 0; at < fresh.size(); at++) addUnknown(fresh[at], original[at], known[at]);
}

/** Takes everything, and keeps where the parser gave up. */
struct ErrorPlace {
  std::size_t position = 0;

  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(Json::number_integer_t) { return true; }
  bool number_unsigned(Json::number_unsigned_t) { return true; }
  bool number_float(Json::number_float_t, const std::string&) { return true; }
  bool string(std::string&) { return true; }
  bool binary(Json::binary_t&) { return true; }
  bool start_object(std::size_t) { return true; }
  bool key(std::string&) { return true; }
  bool end_object() { return true; }
  bool start_array(std::size_t) { return true; }
  bool end_array() { return true; }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    position = at;
    return false;
  }
};

}  // namespace

std::string jsonErrorPlace(std::string_view text) {
  ErrorPlace place;
  if (Json::sax_parse(text, &place)) return "";
  const std::string_view before = text.substr(0, place.position == 0 ? 0 : place.position - 1);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n');
  const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string keepUnknown(std::string_view fresh, std::string_view original, std::string_view known) {
  if (isTooDeep(original)) return std::string(fresh);
  Json whole = Json::parse(fresh, nullptr, false);
  addUnknown(whole, Json::parse(original, nullptr, false), Json::parse(known, nullptr, false));
  return whole.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<JsonReader> JsonReader::parse(std::string_view text, std::string what) {
  if (isTooDeep(text)) return Error{std::move(what), EINVAL, "nested too deep"};
  auto document = std::make_shared<Document>();
  document->json = Json::parse(text, nullptr, false);
  if (document->json.is_discarded()) return Error{std::move(what), EINVAL, "not JSON"};
  if (!document->json.is_object()) return Error{std::move(what), EINVAL, "must be an object"};
  document->what = std::move(what);
  document->nodes.push_back(Node{&document->json, "", {}});
  Node* root = &document->nodes.back();
  return JsonReader(std::move(document), root);
}

bool JsonReader::has(const char* key) const {
  return node_ != nullptr && lookUp(*node_->json, key) != nullptr;
}

bool JsonReader::isText(const char* key) const {
  return has(key) && lookUp(*node_->json, key)->is_string();
}

bool JsonReader::isArray(const char* key) const {
  return has(key) && lookUp(*node_->json, key)->is_array();
}

void JsonReader::ignore(const char* key) {
  if (node_ != nullptr) node_->asked.insert(key);
}

void JsonReader::require(const char* key) {
  if (node_ != nullptr && !has(key)) fail(key, "is missing");
}

void JsonReader::fail(const char* key, const std::string& message) {
  if (node_ != nullptr) document_->note(node_->path + key, message);
}

void JsonReader::text(const char* key, std::string& out) {
  ignore(key);
  if (!has(key)) return;
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_string()) return fail(key, "must be a string");
  const auto& value = json->get_ref<const std::string&>();
  if (value.find('\0') != std::string::npos) return fail(key, "must not hold a NUL byte");
  out = value;
}

void JsonReader::boolean(const char* key, bool& out) {
  ignore(key);
  if (!has(key)) return;
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_boolean()) return fail(key, "must be true or false");
  out = json->get<bool>();
}

void JsonReader::texts(const char* key, std::vector<std::string>& out) {
  ignore(key);
  if (!has(key)) return;
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_array()) return fail(key, "must be an array of strings");
  out.clear();
  for (const Json& entry : *json) {
    if (!entry.is_string()) return fail(key, "must be an array of strings");
    const auto& value = entry.get_ref<const std::string&>();
    if (value.find('\0') != std::string::npos) return fail(key, "must not hold a NUL byte");
    out.push_back(value);
  }
}

void JsonReader::textMap(const char* key, std::map<std::string, std::string>& out) {
  ignore(key);
  if (!has(key)) return;
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_object()) return fail(key, "must be an object of strings");
  out.clear();
  for (const auto& [name, value] : json->items()) {
    if (!value.is_string()) return fail(key, "must be an object of strings");
    out[name] = value.get<std::string>();
  }
}

void JsonReader::number(const char* key, std::int64_t& out, std::int64_t min, std::int64_t max) {
  ignore(key);
  if (!has(key)) return;
  if (!readNumber(*lookUp(*node_->json, key), out, min, max)) {
    fail(key, rangeText(std::to_string(min), std::to_string(max)));
  }
}

void JsonReader::number(const char* key, std::uint64_t& out, std::uint64_t min, std::uint64_t max) {
  ignore(key);
  if (!has(key)) return;
  if (!readNumber(*lookUp(*node_->json, key), out, min, max)) {
    fail(key, rangeText(std::to_string(min), std::to_string(max)));
  }
}

void JsonReader::number(const char* key, std::int32_t& out, std::int32_t min, std::int32_t max) {
  std::int64_t value = out;
  number(key, value, std::int64_t{min}, std::int64_t{max});
  out = static_cast<std::int32_t>(value);
}

void JsonReader::number(const char* key, std::uint32_t& out, std::uint32_t min, std::uint32_t max) {
  std::uint64_t value = out;
  number(key, value, std::uint64_t{min}, std::uint64_t{max});
  out = static_cast<std::uint32_t>(value);
}

int JsonReader::wordIndex(const char* key, const std::vector<std::string_view>& names) {
  std::string value;
  const bool given = has(key);
  text(key, value);
  if (!given) return -1;
  std::string choices;
  for (std::size_t i = 0; i < names.size(); i++) {
    if (names[i] == value) return static_cast<int>(i);
    choices += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  fail(key, "must be one of: " + choices);
  return -1;
}

JsonReader JsonReader::object(const char* key) {
  ignore(key);
  if (!has(key)) return {document_, nullptr};
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_object()) {
    fail(key, "must be an object");
    return {document_, nullptr};
  }
  document_->nodes.push_back(Node{json, node_->path + key + ".", {}});
  return {document_, &document_->nodes.back()};
}

std::vector<JsonReader> JsonReader::objects(const char* key) {
  ignore(key);
  std::vector<JsonReader> readers;
  if (!has(key)) return readers;
  const Json* json = lookUp(*node_->json, key);
  if (!json->is_array() || !std::all_of(json->begin(), json->end(), [](const Json& j) { return j.is_object(); })) {
    fail(key, "must be an array of objects");
    return readers;
  }
  for (const Json& entry : *json) {
    const std::string path = node_->path + key + "[" + std::to_string(readers.size()) + "].";
    document_->nodes.push_back(Node{&entry, path, {}});
    readers.push_back(JsonReader(document_, &document_->nodes.back()));
  }
  return readers;
}

std::vector<std::string> JsonReader::keys() const {
  std::vector<std::string> names;
  if (node_ == nullptr) return names;
  for (const auto& item : node_->json->items()) names.push_back(item.key());
  return names;
}

Status JsonReader::finish() const {
  std::vector<std::string> unknown;
  if (Status read = finish(unknown); !read) return read;
  if (unknown.empty()) return {};
  return Error{document_->what, EINVAL, "unknown key \"" + unknown.front() + "\""};
}

Status JsonReader::finish(std::vector<std::string>& unknown) const {
  if (document_->error) return *document_->error;
  for (const Node& node : document_->nodes) {
    for (const auto& item : node.json->items()) {
      if (node.asked.count(item.key()) == 0) unknown.push_back(node.path + item.key());
    }
  }
  return {};
}

}  // namespace lightv
