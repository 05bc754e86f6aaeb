#include "engine/pool_talk.hpp"

#include "engine/request_json.hpp"
#include "sys/json.hpp"

namespace lightv {

std::string toJson(const PoolRequest& request) {
  JsonWriter writer;
  writer.beginObject().member("root", request.root).member("stdin", request.wantStdin);
  writer.member("stdout", request.hasStdout).member("stderr", request.hasStderr);
  writer.member("callerLimits", request.callerLimits).beginObject("create");
  writeCreateRequest(writer, request.create);
  writer.endObject().endObject();
  return writer.text();
}

Result<PoolRequest> parsePoolRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "request to a prepared sandbox");
  if (!reader) return reader.error();
  PoolRequest request;
  for (const char* key : {"root", "create"}) reader->require(key);
  reader->text("root", request.root);
  reader->boolean("stdin", request.wantStdin);
  reader->boolean("stdout", request.hasStdout);
  reader->boolean("stderr", request.hasStderr);
  reader->boolean("callerLimits", request.callerLimits);
  JsonReader create = reader->object("create");
  if (create.present()) readCreateRequest(create, request.create);
  if (Status read = reader->finish(); !read) return read.error();
  return request;
}

std::string poolDirectory(const Paths& paths) {
  return paths.run + "/pool";
}

std::string poolSocket(const Paths& paths, const std::string& imageDigest) {
  return poolDirectory(paths) + "/" + imageDigest.substr(imageDigest.find(':') + 1) + ".sock";
}

bool isOrdinary(const CreateRequest& request) {
  const Spec& spec = request.spec;
  const bool rights = request.capAdd.empty() && request.capDrop.empty() && !request.privileged &&
                      spec.noNewPrivileges && spec.seccomp && spec.maskPaths;
  const bool place = spec.network == Network::none && spec.userns == UserNamespace::host && spec.devices.empty() &&
                     spec.mounts.empty() && !spec.readOnlyRoot;
  return rights && place && spec.init && !spec.terminal;
}

}  // namespace lightv
