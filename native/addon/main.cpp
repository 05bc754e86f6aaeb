// The addon's entry: agent/sandbox/native.ts is its type. N-API alone, so that one build serves every Node.
#include <napi.h>

#include <chrono>
#include <thread>

#include "addon/arguments.hpp"
#include "addon/context.hpp"
#include "addon/engine_object.hpp"
#include "addon/images.hpp"
#include "sys/memory.hpp"
#include "sys/notify.hpp"

namespace lightv::addon {
namespace {

constexpr std::chrono::milliseconds kRestAfter{200};

std::string absolutePath(Arguments& arguments, const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  std::string path = value.IsString() ? std::string(value.As<Napi::String>()) : std::string();
  if (path.substr(0, 1) != "/" || path.find('\0') != std::string::npos) arguments.wrong(name, "an absolute path");
  return path;
}

Napi::Value openEngine(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Napi::Object options = arguments.object(0, "options");
  if (!arguments.ok()) return {};
  Paths paths;
  paths.root = absolutePath(arguments, options, "root");
  paths.run = absolutePath(arguments, options, "run");
  const std::string monitorBinary = absolutePath(arguments, options, "monitorBinary");
  if (!arguments.ok()) return {};
  return makeEngine(info.Env(), context, std::move(paths), monitorBinary);
}

Napi::Value sdNotify(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string state = arguments.text(0, "state");
  return arguments.ok() ? Napi::Boolean::New(info.Env(), notifyService(state)) : Napi::Value();
}

/**
 * Gives memory back once the caller's thread is at rest. What it does meanwhile it would fetch again at once: its way
 * from here back to epoll_wait(2) alone is some 2 MB of Node's program.
 */
Napi::Value releaseMemory(const std::shared_ptr<Context>& context, const Napi::CallbackInfo& info) {
  context->quietly([] {
    std::this_thread::sleep_for(kRestAfter);
    lightv::releaseMemory();
  });
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const std::shared_ptr<Context> context = Context::create(env);
  if (!context) return exports;
  const auto openCall = [context](const Napi::CallbackInfo& info) { return openEngine(context, info); };
  exports.Set("openEngine", Napi::Function::New(env, openCall, "openEngine"));
  exports.Set("sdNotify", Napi::Function::New(env, sdNotify, "sdNotify"));
  const auto releaseCall = [context](const Napi::CallbackInfo& info) { return releaseMemory(context, info); };
  exports.Set("releaseMemory", Napi::Function::New(env, releaseCall, "releaseMemory"));
  addImageFunctions(env, exports, context);
  return exports;
}

}  // namespace
}  // namespace lightv::addon

static Napi::Object initAddon(Napi::Env env, Napi::Object exports) {
  return lightv::addon::init(env, exports);
}
NODE_API_MODULE(lightv, initAddon)
