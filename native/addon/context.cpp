#include "addon/context.hpp"

#include <cerrno>
#include <csignal>

namespace lightv::addon {

Napi::Object toError(Napi::Env env, const Error& error) {
  Napi::Object object = Napi::Error::New(env, error.message()).Value();
  object.Set("code", "LV_NATIVE");
  object.Set("op", error.op);
  object.Set("errno", error.err);
  object.Set("detail", error.detail);
  object.Set("hint", error.hint);
  return object;
}

namespace {

Napi::Value toValue(Napi::Env env, const Answer& answer) {
  if (const auto* text = std::get_if<std::string>(&answer)) return Napi::String::New(env, *text);
  if (const auto* number = std::get_if<double>(&answer)) return Napi::Number::New(env, *number);
  return env.Undefined();
}

}  // namespace

std::uint64_t Callbacks::add(const Napi::Function& function) {
  functions_.emplace(++last_, Napi::Persistent(function));
  return last_;
}

Napi::FunctionReference* Callbacks::find(std::uint64_t token) {
  const auto found = functions_.find(token);
  return found == functions_.end() ? nullptr : &found->second;
}

std::shared_ptr<Context> Context::create(Napi::Env env) {
  auto context = std::make_shared<Context>();
  context->events_ = Events::create(env);
  if (!context->events_) return nullptr;
  context->workers_ = std::make_shared<Workers>();
  Context* raw = context.get();  // close() joins the watcher's thread before the context goes
  context->watcher_ =
      std::make_unique<Watcher>([raw](std::uint64_t token, Fd fd) { raw->onReady(token, std::move(fd)); });
  // Hooks run last first: after this one comes the thread-safe function's own.
  env.AddCleanupHook([context] { context->close(); });
  return context;
}

void Context::close() {
  events_->close();
  watcher_->stop();
  workers_->close();
  callbacks_.clear();
}

Napi::Value Context::promise(Napi::Env env, Work work) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto settle = [deferred, events = events_](Napi::Env e, const Result<Answer>& result) {
    events->release(e);
    if (result) {
      deferred.Resolve(toValue(e, *result));
    } else {
      deferred.Reject(toError(e, result.error()));
    }
  };
  events_->hold(env);
  const bool queued = workers_->run([work = std::move(work), settle, events = events_] {
    events->post([settle, result = work()](Napi::Env e) { settle(e, result); });
  });
  if (!queued) settle(env, Error{"start thread", EAGAIN, "lightv", "the process has too many threads or no memory"});
  return deferred.Promise();
}

std::uint64_t Context::watch(const Engine& engine, const std::string& id, const Napi::Function& onEnd) {
  const std::uint64_t token = callbacks_.add(onEnd);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_.insert({token, Watched{engine, id}});
  }
  const bool queued =
      workers_->run([self = shared_from_this(), token, engine, id] { self->connect(token, engine, id); });
  if (!queued) finishWatch(token, ExitInfo{.error = "can't watch: no thread can be started"});
  return token;
}

void Context::unwatch(std::uint64_t token) {
  callbacks_.remove(token);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_.erase(token);
  }
  watcher_->remove(token);
}

// On a worker. The connection on which "wait" is asked becomes readable when the sandbox has ended for good.
void Context::connect(std::uint64_t token, const Engine& engine, const std::string& id) {
  Result<Started> attached = engine.attach(id, Stdio{}, false);
  if (attached) {
    const Status added = watcher_->add(token, std::move(attached->control));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (watched_.count(token) == 0) watcher_->remove(token);  // closed while we connected
    if (added) return;
    return finishWatch(token, ExitInfo{.error = added.error().message()});
  }
  const Result<SandboxInfo> info = engine.info(id);
  if (info && info->exit) return finishWatch(token, *info->exit);
  ExitInfo lost{.exitCode = 128 + SIGKILL, .signal = SIGKILL, .lost = true};
  lost.error = info ? attached.error().message() : info.error().message();
  finishWatch(token, lost);
}

// On the watcher's thread: what follows may read files, and clean up after a monitor that was lost.
void Context::onReady(std::uint64_t token, Fd fd) {
  const auto control = std::make_shared<Fd>(std::move(fd));
  (void)workers_->run([self = shared_from_this(), token, control] {
    std::optional<Watched> watched;
    {
      const std::lock_guard<std::mutex> lock(self->mutex_);
      const auto found = self->watched_.find(token);
      if (found == self->watched_.end()) return;
      watched = found->second;
    }
    ExitInfo exit = receiveExit(control->get());
    if (exit.lost) {
      const Result<SandboxInfo> info = watched->engine.info(watched->id);
      if (info && info->exit) exit = *info->exit;
    }
    self->finishWatch(token, exit);
  });
}

void Context::finishWatch(std::uint64_t token, const ExitInfo& exit) {
  events_->post([self = shared_from_this(), token, json = toJson(exit)](Napi::Env env) {
    Napi::FunctionReference* callback = self->callbacks_.find(token);
    if (callback == nullptr) return;
    const Napi::Function function = callback->Value();
    self->unwatch(token);
    function.Call({Napi::String::New(env, json)});
  });
}

}  // namespace lightv::addon
