// The way from any thread to the event loop: one N-API thread-safe function for everything.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

namespace lightv::addon {

/** What shall happen on the event loop. */
using Event = std::function<void(Napi::Env)>;

class Events {
 public:
  /** On the event loop. Null, with a JavaScript exception pending, when N-API refuses. */
  static std::shared_ptr<Events> create(Napi::Env env);
  /** From any thread. After close() the event is thrown away. */
  void post(Event event);
  /** On the event loop: as long as something is held, Node does not exit by itself. */
  void hold(Napi::Env env);
  void release(Napi::Env env);
  /** On the event loop, before the environment goes: nothing arrives any more. */
  void close();

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // null when closed
  unsigned held_ = 0;
};

}  // namespace lightv::addon
