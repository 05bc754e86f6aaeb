// A create request inside other documents.
#pragma once

#include "engine/engine.hpp"
#include "sys/json.hpp"

namespace lightv {

/** The keys of a create request. Errors stay in `reader`. */
void readCreateRequest(JsonReader& reader, CreateRequest& request);

/** Keys that make the same request again; defaults are left out. */
void writeCreateRequest(JsonWriter& writer, const CreateRequest& request);

}  // namespace lightv
