// A create request's JSON: a Spec's settings and what a Spec has not (docs/sandbox.md, "JSON shapes").
#include "core/spec_json.hpp"
#include "engine/engine.hpp"

namespace lightv {

Result<CreateRequest> parseCreateRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "create request");
  if (!reader) return reader.error();
  CreateRequest request;
  reader->require("image");
  reader->text("image", request.image);
  if (reader->has("entrypoint")) reader->texts("entrypoint", request.entrypoint.emplace());
  reader->texts("command", request.command);
  reader->texts("capAdd", request.capAdd);
  reader->texts("capDrop", request.capDrop);
  reader->boolean("privileged", request.privileged);
  request.workdirGiven = reader->has("cwd");
  request.userGiven = reader->has("user");
  request.stopSignalGiven = reader->has("stopSignal");
  request.hostnameGiven = reader->has("hostname");
  request.cgroupParentGiven = reader->has("cgroupParent");
  readSpecSettings(*reader, request.spec);
  if (Status status = reader->finish(); !status) return status.error();
  return request;
}

}  // namespace lightv
