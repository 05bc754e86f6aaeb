#include "core/order.hpp"

#include <cstdint>
#include <cstring>

namespace lightv {
namespace {

void put(std::string& out, std::uint32_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof bytes);
}

void put(std::string& out, const std::string& text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

void put(std::string& out, const std::vector<std::string>& list) {
  put(out, static_cast<std::uint32_t>(list.size()));
  for (const std::string& text : list) put(out, text);
}

/** Takes from the front; whatever does not fit makes it broken for good. */
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  std::uint32_t number() {
    std::uint32_t value = 0;
    const std::string_view bytes = take(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number())); }
  std::vector<std::string> texts() {
    std::vector<std::string> list;
    // Each has its length at least: a count that can't be true ends here, not in an allocation.
    for (std::uint32_t left = number(); left > 0 && !broken_; left--) list.push_back(text());
    return list;
  }
  [[nodiscard]] bool mayGoOn() const { return !broken_; }
  [[nodiscard]] bool isWhole() const { return !broken_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    broken_ = broken_ || size > rest_.size();
    if (broken_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace

std::string encodeOrder(const Process& process) {
  std::string out;
  put(out, process.args);
  put(out, process.env);
  put(out, process.candidates);
  put(out, process.cwd);
  put(out, process.user.uid);
  put(out, process.user.gid);
  put(out, static_cast<std::uint32_t>(process.user.groups.size()));
  for (const gid_t group : process.user.groups) put(out, group);
  return out;
}

bool decodeOrder(std::string_view bytes, Process& process) {
  Bytes in(bytes);
  process.args = in.texts();
  process.env = in.texts();
  process.candidates = in.texts();
  process.cwd = in.text();
  process.user.uid = in.number();
  process.user.gid = in.number();
  process.user.groups.clear();
  for (std::uint32_t left = in.number(); left > 0 && in.mayGoOn(); left--) process.user.groups.push_back(in.number());
  if (!in.isWhole() || process.args.empty()) return false;
  layOut(process);
  return true;
}

}  // namespace lightv
