// Texts without a C library: the early entry runs before there is one, so nothing here may become a call of memcpy(3)
// or its like.
#pragma once

#include <cstddef>

namespace lightv::entry {

struct Text {
  const char* data = "";
  std::size_t size = 0;

  [[nodiscard]] bool empty() const { return size == 0; }
  [[nodiscard]] const char* begin() const { return data; }
  [[nodiscard]] const char* end() const { return data + size; }
};

template <std::size_t N>
constexpr Text word(const char (&literal)[N]) {
  return {literal, N - 1};
}

inline Text textOf(const char* terminated) {
  std::size_t size = 0;
  while (terminated[size] != '\0') size++;
  return {terminated, size};
}

inline Text from(Text text, std::size_t at) {
  return {text.data + at, text.size - at};
}

inline bool startsWith(Text text, Text start) {
  if (text.size < start.size) return false;
  for (std::size_t i = 0; i < start.size; i++) {
    if (text.data[i] != start.data[i]) return false;
  }
  return true;
}

inline bool endsWith(Text text, Text end) {
  return text.size >= end.size && startsWith(from(text, text.size - end.size), end);
}

inline bool equal(Text one, Text other) {
  return one.size == other.size && startsWith(one, other);
}

/** Takes `start` off the front, if it is there. */
inline bool take(Text& text, Text start) {
  if (!startsWith(text, start)) return false;
  text = from(text, start.size);
  return true;
}

inline bool isDigit(char c) {
  return c >= '0' && c <= '9';
}
inline bool isLower(char c) {
  return c >= 'a' && c <= 'z';
}
inline bool isHexDigit(char c) {
  return isDigit(c) || (c >= 'a' && c <= 'f');
}

/** Takes a number of up to nine digits off the front; -1 when there is none. */
inline int takeNumber(Text& text) {
  constexpr std::size_t most = 9;
  std::size_t length = 0;
  int number = 0;
  for (; length < text.size && length <= most && isDigit(text.data[length]); length++) {
    if (length < most) number = number * 10 + (text.data[length] - '0');
  }
  if (length == 0 || length > most) return -1;
  text = from(text, length);
  return number;
}

/** Appends to memory of the caller's; what does not fit, or can't be said, makes it broken for good. */
class Buffer {
 public:
  template <std::size_t N>
  explicit Buffer(char (&room)[N]) : data_(room), room_(N) {}

  Buffer& put(char c) {
    if (size_ < room_) {
      data_[size_++] = c;
    } else {
      broken_ = true;
    }
    return *this;
  }
  Buffer& put(Text text) {
    for (const char c : text) put(c);
    return *this;
  }
  /** A JSON string, as JsonWriter has it. Only ASCII: what else there is has rules of its own. */
  Buffer& quoted(Text text) {
    put('"');
    for (const char c : text) character(c);
    return put('"');
  }
  Buffer& breakOff() {
    broken_ = true;
    return *this;
  }

  [[nodiscard]] bool isWhole() const { return !broken_; }
  [[nodiscard]] Text text() const { return {data_, size_}; }

 private:
  void character(char c) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80) {
      broken_ = true;
    } else if (c == '"' || c == '\\') {
      put('\\').put(c);
    } else if (c == '\n' || c == '\t') {
      put('\\').put(c == '\n' ? 'n' : 't');
    } else if (code < 0x20 || code == 0x7F) {
      constexpr unsigned ten = 10;
      const unsigned low = code & 0xFU;
      put(word("\\u00")).put(static_cast<char>('0' + (code >> 4U)));
      put(static_cast<char>(low < ten ? '0' + low : 'a' + low - ten));
    } else {
      put(c);
    }
  }

  char* data_;
  std::size_t room_, size_ = 0;
  bool broken_ = false;
};

}  // namespace lightv::entry
