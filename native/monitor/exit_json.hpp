// An exit object's keys, inside whatever object is open: exit.json, state.json, answers and sandbox infos share them.
#pragma once

#include "monitor/records.hpp"
#include "sys/json.hpp"

namespace lightv {

/** Appends the keys; `lost` and `shutdown` only when true. */
void writeExit(JsonWriter& writer, const ExitInfo& exit);
/** Takes the keys; errors stay in `reader`. */
void readExit(JsonReader& reader, ExitInfo& exit);

}  // namespace lightv
