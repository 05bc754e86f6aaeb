// A create request's JSON: a Spec's settings and what a Spec has not (docs/sandbox.md, "JSON shapes").
#include "core/spec_json.hpp"
#include "engine/request_json.hpp"

namespace lightv {

void readCreateRequest(JsonReader& reader, CreateRequest& request) {
  reader.require("image");
  reader.text("image", request.image);
  if (reader.has("entrypoint")) reader.texts("entrypoint", request.entrypoint.emplace());
  reader.texts("command", request.command);
  reader.texts("capAdd", request.capAdd);
  reader.texts("capDrop", request.capDrop);
  reader.boolean("privileged", request.privileged);
  request.workdirGiven = reader.has("cwd");
  request.userGiven = reader.has("user");
  request.stopSignalGiven = reader.has("stopSignal");
  request.hostnameGiven = reader.has("hostname");
  request.cgroupParentGiven = reader.has("cgroupParent");
  request.usernsGiven = reader.has("userns");
  readSpecSettings(reader, request.spec);
}

// Whether something was given is told by its key: what was given and is the default by chance is written all the same.
void writeCreateRequest(JsonWriter& writer, const CreateRequest& request) {
  const Spec plain;
  const Spec& spec = request.spec;
  writer.member("image", request.image).member("entrypoint", request.entrypoint);
  if (!request.command.empty()) writer.member("command", request.command);
  if (!request.capAdd.empty()) writer.member("capAdd", request.capAdd);
  if (!request.capDrop.empty()) writer.member("capDrop", request.capDrop);
  if (request.privileged) writer.member("privileged", true);
  if (request.workdirGiven && spec.cwd == plain.cwd) writer.member("cwd", spec.cwd);
  if (request.userGiven && spec.user == plain.user) writer.member("user", spec.user);
  if (request.stopSignalGiven && spec.stopSignal == plain.stopSignal) writer.member("stopSignal", spec.stopSignal);
  if (request.hostnameGiven && spec.hostname == plain.hostname) writer.member("hostname", spec.hostname);
  if (request.cgroupParentGiven && spec.cgroupParent == plain.cgroupParent) {
    writer.member("cgroupParent", spec.cgroupParent);
  }
  if (request.usernsGiven && spec.userns == plain.userns) writer.member("userns", "host");
  writeSpecSettings(writer, spec);
}

Result<CreateRequest> parseCreateRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "create request");
  if (!reader) return reader.error();
  CreateRequest request;
  readCreateRequest(*reader, request);
  if (Status status = reader->finish(); !status) return status.error();
  return request;
}

}  // namespace lightv
