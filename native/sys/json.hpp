// JSON in and out without exceptions: a strict object reader that forgets no key, and a writer that only appends.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

/**
 * Reads one JSON object and what lies below it. A getter leaves `out` as it is when the key is absent, and notes the
 * first error (wrong type, out of range) instead of failing; finish() on the root tells it, or the first key in the
 * whole document that nobody asked for. null counts as absent.
 *
 *     Result<JsonReader> r = JsonReader::parse(text, "config.json");
 *     r->text("name", spec.name);
 *     JsonReader limits = r->object("limits");
 *     limits.number("pidsMax", spec.limits.pidsMax, 1, 1'000'000);
 *     if (Status s = r->finish(); !s) return s.error();
 */
class JsonReader {
 public:
  /** `what` names the document in errors. EINVAL unless `text` is one object nested at most 64 deep. */
  static Result<JsonReader> parse(std::string_view text, std::string what);

  /** False for what object() gives when the key is absent; its getters do nothing. */
  [[nodiscard]] bool present() const { return node_ != nullptr; }
  /** Is the key there, and not null? Does not count as having asked for it. */
  [[nodiscard]] bool has(const char* key) const;
  [[nodiscard]] bool isText(const char* key) const;
  [[nodiscard]] bool isArray(const char* key) const;

  void text(const char* key, std::string& out);
  void boolean(const char* key, bool& out);
  void texts(const char* key, std::vector<std::string>& out);
  void textMap(const char* key, std::map<std::string, std::string>& out);
  /** Whole numbers only: 1.0 and "1" are errors. Bounds are inclusive. */
  void number(const char* key, std::int64_t& out, std::int64_t min, std::int64_t max);
  void number(const char* key, std::uint64_t& out, std::uint64_t min, std::uint64_t max);
  void number(const char* key, std::int32_t& out, std::int32_t min, std::int32_t max);
  void number(const char* key, std::uint32_t& out, std::uint32_t min, std::uint32_t max);
  template <class T>
  void number(const char* key, std::optional<T>& out, T min, T max) {
    if (!has(key)) return ignore(key);
    T value{};
    number(key, value, min, max);
    out = value;
  }
  /** One of the words of `names`, whose index is given to the enumeration. */
  template <class E>
  void word(const char* key, E& out, const std::vector<std::string_view>& names) {
    if (const int index = wordIndex(key, names); index >= 0) out = static_cast<E>(index);
  }
  [[nodiscard]] JsonReader object(const char* key);
  [[nodiscard]] std::vector<JsonReader> objects(const char* key);
  /** Keys of this object, sorted; asking counts for none of them. */
  [[nodiscard]] std::vector<std::string> keys() const;

  /** Counts as asked for, whatever it holds. */
  void ignore(const char* key);
  /** An error unless the key is there. */
  void require(const char* key);
  /** Notes an error of the caller's about a key: `what: path.key: message`. */
  void fail(const char* key, const std::string& message);
  /** The first error, or the first unknown key. */
  [[nodiscard]] Status finish() const;
  /** For what a newer version may have written: unknown keys are given, with their paths, instead of being an error. */
  [[nodiscard]] Status finish(std::vector<std::string>& unknown) const;

 private:
  struct Document;
  struct Node;
  JsonReader(std::shared_ptr<Document> document, Node* node) : document_(std::move(document)), node_(node) {}
  int wordIndex(const char* key, const std::vector<std::string_view>& names);

  std::shared_ptr<Document> document_;
  Node* node_ = nullptr;
};

/** Where a text stops being JSON: "line 3, column 7". Empty for one that is JSON. */
std::string jsonErrorPlace(std::string_view text);

/**
 * `fresh` with what a newer version wrote into `original`: the keys that are not in `known`, which is `original` as
 * this version reads and writes it. In arrays only as long as their lengths are the same. All three are JSON of ours.
 */
std::string keepUnknown(std::string_view fresh, std::string_view original, std::string_view known);

/** Appends JSON text; commas and quotes are its business, nesting the caller's. Keys come out in the order given. */
class JsonWriter {
 public:
  JsonWriter& beginObject() { return open('{'); }
  JsonWriter& beginObject(std::string_view name) { return key(name).open('{'); }
  JsonWriter& endObject() { return close('}'); }
  JsonWriter& beginArray() { return open('['); }
  JsonWriter& beginArray(std::string_view name) { return key(name).open('['); }
  JsonWriter& endArray() { return close(']'); }
  JsonWriter& key(std::string_view name);

  /** Bytes that are not UTF-8 become U+FFFD: JSON has no way to say them. */
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
  JsonWriter& value(int number) { return raw(std::to_string(number)); }
  JsonWriter& value(unsigned number) { return raw(std::to_string(number)); }
  JsonWriter& value(long number) { return raw(std::to_string(number)); }
  JsonWriter& value(unsigned long number) { return raw(std::to_string(number)); }
  JsonWriter& value(long long number) { return raw(std::to_string(number)); }
  JsonWriter& value(unsigned long long number) { return raw(std::to_string(number)); }
  JsonWriter& value(const std::vector<std::string>& list);
  JsonWriter& value(const std::map<std::string, std::string>& map);
  JsonWriter& null() { return raw("null"); }
  /** Text that is JSON already. */
  JsonWriter& raw(std::string_view json);
  template <class T>
  JsonWriter& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  /** Nothing when absent. */
  template <class T>
  JsonWriter& member(std::string_view name, const std::optional<T>& content) {
    return content ? key(name).value(*content) : *this;
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool needComma_ = false;
};

}  // namespace lightv
