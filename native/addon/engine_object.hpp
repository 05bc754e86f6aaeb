#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/context.hpp"
#include "engine/engine.hpp"

namespace lightv::addon {

/** NativeEngine of agent/sandbox/native.ts. Its functions close over the engine: none of them looks at `this`. */
Napi::Object makeEngine(Napi::Env env, const std::shared_ptr<Context>& context, Paths paths,
                        const std::string& monitorBinary);

}  // namespace lightv::addon
