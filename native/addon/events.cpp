#include "addon/events.hpp"

namespace lightv::addon {
namespace {

// An exception that a callback let through is Node's uncaught exception, as for any other callback.
void passOnException(napi_env env) {
  bool pending = false;
  napi_value exception = nullptr;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) (void)napi_fatal_exception(env, exception);
}

// env is null when the environment goes while events wait: then they are only freed.
void deliver(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Event> event(static_cast<Event*>(data));
  if (env == nullptr) return;
  const Napi::HandleScope scope{Napi::Env(env)};
  (*event)(Napi::Env(env));
  passOnException(env);
}

}  // namespace

std::shared_ptr<Events> Events::create(Napi::Env env) {
  auto events = std::make_shared<Events>();
  const Napi::String name = Napi::String::New(env, "lightv");
  const napi_status made = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                                           deliver, &events->function_);
  if (made != napi_ok) {
    Napi::Error::New(env, "lightv: N-API gives no thread-safe function").ThrowAsJavaScriptException();
    return nullptr;
  }
  (void)napi_unref_threadsafe_function(env, events->function_);
  return events;
}

void Events::post(Event event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  auto data = std::make_unique<Event>(std::move(event));
  if (napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking) == napi_ok) (void)data.release();
}

void Events::hold(Napi::Env env) {
  if (held_++ == 0 && function_ != nullptr) (void)napi_ref_threadsafe_function(env, function_);
}

void Events::release(Napi::Env env) {
  if (--held_ == 0 && function_ != nullptr) (void)napi_unref_threadsafe_function(env, function_);
}

void Events::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  (void)napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

}  // namespace lightv::addon
