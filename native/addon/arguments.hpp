// Arguments of a call, checked. A wrong one is a mistake in the caller's program: a TypeError that names it.
#pragma once

#include <napi.h>

#include <cmath>
#include <string>

namespace lightv::addon {

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  std::string text(std::size_t index, const char* name) {
    if (!info_[index].IsString()) return wrong(name, "a string"), std::string();
    std::string value = info_[index].As<Napi::String>();
    if (value.find('\0') != std::string::npos) wrong(name, "a string without NUL");
    return value;
  }
  /** A whole number of 32 bits. */
  int integer(std::size_t index, const char* name) {
    if (!info_[index].IsNumber()) return wrong(name, "a whole number"), 0;
    const double value = info_[index].As<Napi::Number>().DoubleValue();
    if (std::trunc(value) != value || std::fabs(value) > 0x7FFFFFFF) return wrong(name, "a whole number"), 0;
    return static_cast<int>(value);
  }
  bool boolean(std::size_t index, const char* name) {
    if (!info_[index].IsBoolean()) return wrong(name, "a boolean"), false;
    return info_[index].As<Napi::Boolean>().Value();
  }
  Napi::Function function(std::size_t index, const char* name) {
    if (!info_[index].IsFunction()) return wrong(name, "a function"), Napi::Function();
    return info_[index].As<Napi::Function>();
  }
  Napi::Object object(std::size_t index, const char* name) {
    if (!info_[index].IsObject()) return wrong(name, "an object"), Napi::Object();
    return info_[index].As<Napi::Object>();
  }

  /** False when one was wrong: an exception is pending, return at once. */
  [[nodiscard]] bool ok() const { return ok_; }
  void wrong(const char* name, const char* wanted) {
    if (ok_) {
      Napi::TypeError::New(info_.Env(), std::string("lightv: ") + name + " must be " + wanted)
          .ThrowAsJavaScriptException();
    }
    ok_ = false;
  }

 private:
  const Napi::CallbackInfo& info_;
  bool ok_ = true;
};

}  // namespace lightv::addon
