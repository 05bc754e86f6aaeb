// The parts of a Spec's JSON that other documents share: create requests, `update`, restart policies.
#pragma once

#include "core/spec.hpp"
#include "sys/json.hpp"

namespace lightv {

/** Every key of config.json except those that create fills (docs/sandbox.md, "JSON shapes"). Errors stay in `reader`.
 */
void readSpecSettings(JsonReader& reader, Spec& spec);
/** What readSpecSettings() reads, of it what is not the default. */
void writeSpecSettings(JsonWriter& writer, const Spec& spec);
/** `limits`' content. */
void readLimits(JsonReader& reader, Limits& limits);
/** `log`'s content. */
void readLogOptions(JsonReader& reader, LogOptions& log);
/** `restart`'s content. */
void readRestartPolicy(JsonReader& reader, RestartPolicy& policy);

void writeLimits(JsonWriter& writer, std::string_view name, const Limits& limits);
void writeLogOptions(JsonWriter& writer, const LogOptions& log);
void writeRestartPolicy(JsonWriter& writer, std::string_view name, const RestartPolicy& policy);

}  // namespace lightv
