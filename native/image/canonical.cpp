// One document has one text (docs/image-format.md, "Manifest and digest"), or two readers could see two different
// images.
#include <nlohmann/json.hpp>

#include "image/header.hpp"

namespace lightv {
namespace {

using Json = nlohmann::ordered_json;

// JavaScript sorts by UTF-16 code units: U+10000 and up (first byte F0 to F4) come before U+E000 to U+FFFF (EE, EF).
// Apart from that the order of UTF-8 bytes is the same.
int rank(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
}

bool isBefore(const std::string& a, const std::string& b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < shorter; i++) {
    if (a[i] != b[i]) return rank(a[i]) < rank(b[i]);
  }
  return a.size() < b.size();
}

// Recurses as deep as JsonReader::parse lets a document be, 64.
bool isSorted(const Json& json) {
  if (json.is_number()) return json.is_number_integer();
  const std::string* previous = nullptr;
  for (auto item = json.begin(); json.is_structured() && item != json.end(); ++item) {
    if (json.is_object() && previous != nullptr && !isBefore(*previous, item.key())) return false;
    if (json.is_object()) previous = &item.key();
    if (!isSorted(*item)) return false;
  }
  return true;
}

}  // namespace

bool isCanonicalJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !isSorted(json)) return false;
  // The writer escapes as JSON.stringify does, and the parser keeps the first of two equal keys: any other text
  // differs.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) == text;
}

}  // namespace lightv
