// Image names by Docker's grammar (github.com/distribution/reference): [HOST[:PORT]/]PATH[:TAG].
#include <algorithm>

#include "image/store.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr std::size_t kMaxNameBytes = 255, kMaxTagBytes = 128;

bool isLower(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool isAlphanumeric(char c) {
  return isLower(c) || (c >= 'A' && c <= 'Z');
}

template <class Predicate>
bool all(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// [a-z0-9]+ with single '.', one or two '_' or any number of '-' between.
bool isPathComponent(std::string_view text) {
  if (text.empty() || !isLower(text.front()) || !isLower(text.back())) return false;
  while (!text.empty()) {
    const auto wordEnd = std::find_if_not(text.begin(), text.end(), isLower);
    text.remove_prefix(static_cast<std::size_t>(wordEnd - text.begin()));
    const auto gapEnd = std::find_if(text.begin(), text.end(), isLower);
    const std::string_view gap = text.substr(0, static_cast<std::size_t>(gapEnd - text.begin()));
    const bool dashes = gap.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && gap != "." && gap != "_" && gap != "__") return false;
    text.remove_prefix(gap.size());
  }
  return true;
}

// What stands before the first slash is a registry's host only when a path could not look like it.
bool isHostLike(std::string_view text) {
  return text == "localhost" || text.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool isHost(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    if (!all(text.substr(1, end - 1), [](char c) { return c == ':' || (isAlphanumeric(c) && (c | 0x20) <= 'f'); })) {
      return false;
    }
    text.remove_prefix(end + 1);
    return text.empty() || (text.front() == ':' && parseInteger<std::uint16_t>(text.substr(1)).has_value());
  }
  const std::vector<std::string> parts = split(text, ':', 2);
  if (parts.size() == 2 && !parseInteger<std::uint16_t>(parts[1])) return false;
  const std::vector<std::string> labels = split(parts[0], '.');
  return all_of(labels.begin(), labels.end(), [](const std::string& label) {
    return !label.empty() && isAlphanumeric(label.front()) && isAlphanumeric(label.back()) &&
           all(label, [](char c) { return isAlphanumeric(c) || c == '-'; });
  });
}

bool isTag(std::string_view text) {
  const auto isWord = [](char c) { return isAlphanumeric(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTagBytes && isWord(text.front()) &&
         all(text, [&](char c) { return isWord(c) || c == '.' || c == '-'; });
}

bool isRepository(std::string_view text) {
  std::vector<std::string> components = split(text, '/');
  std::size_t first = 0;
  if (components.size() > 1 && isHostLike(components[0])) {
    if (!isHost(components[0])) return false;
    first = 1;
  }
  return text.size() <= kMaxNameBytes &&
         std::all_of(components.begin() + static_cast<std::ptrdiff_t>(first), components.end(), isPathComponent);
}

}  // namespace

Result<std::string> normalizeImageName(std::string_view name) {
  const auto refuse = [&](const char* why) {
    return Error{"image name", 0, "\"" + std::string(name) + "\": " + why,
                 "write [HOST[:PORT]/]NAME[:TAG] in lower case, as in registry.example:5000/shop/web:1.2"};
  };
  if (name.find('@') != std::string_view::npos) return refuse("a digest stands alone, as sha256:<hex>");
  // A colon before the last slash belongs to the host's port.
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
  const std::string_view repository = name.substr(0, colon);
  const std::string_view tag = colon == std::string_view::npos ? "latest" : name.substr(colon + 1);
  if (!isRepository(repository)) return refuse("is no valid name");
  if (!isTag(tag)) return refuse("has no valid tag");
  if (repository == "sha256") return refuse("sha256 is kept for digests");
  return std::string(repository) + ":" + std::string(tag);
}

}  // namespace lightv
