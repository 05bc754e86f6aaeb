// Errors are values. Every function that can fail returns Result<T> (or Status); nothing in native/ throws.
// A failure names the operation, the errno and what it was done on; callers add context with `.wrap()` while it rises.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace lightv {

struct Error {
  std::string op;      // what was tried: "mount", "open", "resolve image"
  int err = 0;         // errno, 0 when no system call failed
  std::string detail;  // on what, and what was found
  std::string hint;    // what the user can do next; may be empty
  bool plain = false;  // op and detail say it all: message() leaves strerror(err) out

  /** One line for people: `op: detail: strerror (hint)`. */
  [[nodiscard]] std::string message() const {
    std::string text = op;
    if (!detail.empty()) text += ": " + detail;
    if (err != 0 && !plain) text += std::string(": ") + std::strerror(err);
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
  }

  /** The same error seen from one level up: `op: <old message>`; errno and hint stay. */
  [[nodiscard]] Error wrap(std::string outer) const {
    std::string inner = op;
    if (!detail.empty()) inner += ": " + detail;
    return Error{std::move(outer), err, std::move(inner), hint, plain};
  }
};

/** A value or an Error. Ask `if (!r)` before `*r`; `r.error()` only when it failed. */
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

/** Success or an Error. */
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace lightv
