// What one Node environment (the main one or a Worker's) has of the addon, and how work leaves and returns to it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "addon/events.hpp"
#include "addon/watcher.hpp"
#include "addon/workers.hpp"
#include "engine/engine.hpp"
#include "sys/result.hpp"

namespace lightv::addon {

/** What a promise is resolved with: undefined, a text or a number. */
using Answer = std::variant<std::monostate, std::string, double>;
using Work = std::function<Result<Answer>()>;

/** An Error object with `code` "LV_NATIVE", `op`, `errno`, `detail` and `hint`. */
Napi::Object toError(Napi::Env env, const Error& error);

/** JavaScript functions are kept here by number: threads have the number only, so that none is freed on a thread. */
class Callbacks {
 public:
  std::uint64_t add(const Napi::Function& function);
  /** Null when it has been taken away. */
  Napi::FunctionReference* find(std::uint64_t token);
  void remove(std::uint64_t token) { functions_.erase(token); }
  void clear() { functions_.clear(); }

 private:
  std::map<std::uint64_t, Napi::FunctionReference> functions_;
  std::uint64_t last_ = 0;
};

class Context : public std::enable_shared_from_this<Context> {
 public:
  /** Null, with an exception pending, when N-API refuses. Closes itself when the environment goes. */
  static std::shared_ptr<Context> create(Napi::Env env);

  /** Runs `work` on a thread; gives a promise of its answer. On the event loop. */
  Napi::Value promise(Napi::Env env, Work work);
  /** Calls `onEnd` with the exit object once the sandbox has ended for good. Gives the number for unwatch(). */
  std::uint64_t watch(const Engine& engine, const std::string& id, const Napi::Function& onEnd);
  void unwatch(std::uint64_t token);

  /** Work that answers nobody, on a thread; lost when none can be made. */
  void quietly(Job job) { (void)workers_->run(std::move(job)); }

  [[nodiscard]] Callbacks& callbacks() { return callbacks_; }
  [[nodiscard]] const std::shared_ptr<Events>& events() const { return events_; }

 private:
  void close();
  void connect(std::uint64_t token, const Engine& engine, const std::string& id);
  void onReady(std::uint64_t token, Fd fd);
  void finishWatch(std::uint64_t token, const ExitInfo& exit);

  std::shared_ptr<Events> events_;
  std::shared_ptr<Workers> workers_;
  std::unique_ptr<Watcher> watcher_;
  Callbacks callbacks_;

  struct Watched {
    Engine engine;
    std::string id;
  };
  std::mutex mutex_;
  std::map<std::uint64_t, Watched> watched_;  // also who has not been connected yet
};

}  // namespace lightv::addon
