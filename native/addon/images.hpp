#pragma once

#include <napi.h>

#include <memory>

#include "addon/context.hpp"

namespace lightv::addon {

/** Adds verifyImage and readImage of agent/sandbox/native.ts to `exports`. */
void addImageFunctions(Napi::Env env, Napi::Object exports, const std::shared_ptr<Context>& context);

}  // namespace lightv::addon
