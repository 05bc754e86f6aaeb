#include "addon/engine_object.hpp"

#include "addon/arguments.hpp"
#include "addon/exec.hpp"
#include "addon/shapes.hpp"

namespace lightv::addon {
namespace {

/** One method: takes its checked arguments now, gives the work that a thread does. */
using Method = std::function<Work(const Engine&, Arguments&)>;

Result<Answer> done(const Status& status) {
  return status ? Result<Answer>(Answer()) : Result<Answer>(status.error());
}

Result<Answer> text(Result<std::string> result) {
  return result ? Result<Answer>(Answer(std::move(*result))) : Result<Answer>(result.error());
}

template <class T>
Result<Answer> json(const Result<T>& result) {
  return result ? Result<Answer>(Answer(toJson(*result))) : Result<Answer>(result.error());
}

Result<Answer> create(const Engine& engine, const std::string& request) {
  Result<CreateRequest> parsed = parseCreateRequest(request);
  if (!parsed) return parsed.error();
  return text(engine.create(std::move(*parsed)));
}

Result<Answer> update(const Engine& engine, const std::string& id, const std::string& limits) {
  const Result<Limits> parsed = parseLimits(limits);
  return parsed ? done(engine.update(id, {.limits = *parsed})) : Result<Answer>(parsed.error());
}

Result<Answer> list(const Engine& engine) {
  const Result<std::vector<SandboxInfo>> all = engine.list();
  if (!all) return all.error();
  return Answer(toJson(*all));
}

Result<Answer> sweep(const Engine& engine) {
  const Result<unsigned> swept = engine.sweep();
  if (!swept) return swept.error();
  return Answer(static_cast<double>(*swept));
}

/** create() and start(), by a prepared sandbox where there is one. */
Result<Answer> run(const Engine& engine, const std::string& monitorBinary, const std::string& json) {
  Result<CreateRequest> request = parseCreateRequest(json);
  if (!request) return request.error();
  StartOptions options;
  options.monitorBinary = monitorBinary;
  if (const std::optional<PreparedStart> prepared = engine.startPrepared(*request, options)) {
    return prepared->started ? Result<Answer>(Answer(toJson(prepared->id, *prepared->started)))
                             : Result<Answer>(prepared->started.error());
  }
  const Result<std::string> id = engine.create(std::move(*request));
  if (!id) return id.error();
  const Result<Started> started = engine.start(*id, options);
  if (!started) return started.error();
  return Answer(toJson(*id, *started));
}

void addLifeMethods(const std::function<void(const char*, Method)>& add, const std::string& monitorBinary) {
  add("create", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, request = a.text(0, "requestJson")] { return create(engine, request); };
  });
  add("start", [monitorBinary](const Engine& engine, Arguments& a) -> Work {
    return [engine, monitorBinary, id = a.text(0, "id")] {
      StartOptions options;
      options.monitorBinary = monitorBinary;
      return json(engine.start(id, options));
    };
  });
  add("run", [monitorBinary](const Engine& engine, Arguments& a) -> Work {
    return [engine, monitorBinary, request = a.text(0, "requestJson")] { return run(engine, monitorBinary, request); };
  });
  add("stop", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id"), signal = a.integer(1, "signal"), timeoutMs = a.integer(2, "timeoutMs")] {
      return done(engine.stop(id, signal, timeoutMs));
    };
  });
  add("kill", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id"), signal = a.integer(1, "signal")] { return done(engine.kill(id, signal)); };
  });
  add("remove", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id"), force = a.boolean(1, "force"), volumes = a.boolean(2, "volumes")] {
      return done(engine.remove(id, force, volumes));
    };
  });
  add("update", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id"), limits = a.text(1, "limitsJson")] { return update(engine, id, limits); };
  });
  add("exec", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id"), request = a.text(1, "execJson")] {
      return text(execAndCollect(engine, id, request));
    };
  });
}

void addQueryMethods(const std::function<void(const char*, Method)>& add) {
  add("find", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, name = a.text(0, "nameOrId")] { return text(engine.find(name)); };
  });
  add("info", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id")] { return json(engine.info(id)); };
  });
  add("list", [](const Engine& engine, Arguments&) -> Work { return [engine] { return list(engine); }; });
  add("stats", [](const Engine& engine, Arguments& a) -> Work {
    return [engine, id = a.text(0, "id")] { return json(engine.stats(id)); };
  });
  add("sweep", [](const Engine& engine, Arguments&) -> Work { return [engine] { return sweep(engine); }; });
}

Napi::Value watch(const std::shared_ptr<Context>& context, const Engine& engine, const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string id = arguments.text(0, "id");
  const Napi::Function onEnd = arguments.function(1, "onEnd");
  if (!arguments.ok()) return {};
  const std::uint64_t token = context->watch(engine, id, onEnd);
  Napi::Object handle = Napi::Object::New(info.Env());
  handle.Set("close",
             Napi::Function::New(
                 info.Env(), [context, token](const Napi::CallbackInfo&) { context->unwatch(token); }, "close"));
  return handle;
}

}  // namespace

Napi::Object makeEngine(Napi::Env env, const std::shared_ptr<Context>& context, Paths paths,
                        const std::string& monitorBinary) {
  const Engine engine(std::move(paths));
  Napi::Object object = Napi::Object::New(env);
  const auto add = [&](const char* name, Method method) {
    const auto call = [context, engine, method = std::move(method)](const Napi::CallbackInfo& info) -> Napi::Value {
      Arguments arguments(info);
      Work work = method(engine, arguments);
      return arguments.ok() ? context->promise(info.Env(), std::move(work)) : Napi::Value();
    };
    object.Set(name, Napi::Function::New(env, call, name));
  };
  addLifeMethods(add, monitorBinary);
  addQueryMethods(add);
  const auto watchCall = [context, engine](const Napi::CallbackInfo& info) { return watch(context, engine, info); };
  object.Set("watch", Napi::Function::New(env, watchCall, "watch"));
  const auto logPathCall = [engine](const Napi::CallbackInfo& info) -> Napi::Value {
    Arguments arguments(info);
    const std::string id = arguments.text(0, "id");
    return arguments.ok() ? Napi::String::New(info.Env(), engine.logPath(id)) : Napi::Value();
  };
  object.Set("logPath", Napi::Function::New(env, logPathCall, "logPath"));
  return object;
}

}  // namespace lightv::addon
