#include "engine/pool_talk.hpp"

#include "engine/request_json.hpp"
#include "sys/hash.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

const std::vector<std::string_view>& keeperWords() {
  static const std::vector<std::string_view> words{"status", "resize", "missed"};
  return words;
}

}  // namespace

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

std::string toJson(const KeeperRequest& request) {
  JsonWriter writer;
  writer.beginObject().member("op", keeperWords()[static_cast<std::size_t>(request.op)]);
  if (request.op == KeeperOp::resize) writer.member("most", request.most);
  if (request.op == KeeperOp::missed) writer.member("image", request.image);
  writer.endObject();
  return writer.text();
}

Result<KeeperRequest> parseKeeperRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "request to the runtime");
  if (!reader) return reader.error();
  KeeperRequest request;
  reader->require("op");
  reader->word("op", request.op, keeperWords());
  reader->number("most", request.most, 0, kMostPrepared);
  reader->text("image", request.image);
  if (request.op == KeeperOp::missed && !isDigestText(request.image)) reader->fail("image", "must be a digest");
  if (Status read = reader->finish(); !read) return read.error();
  return request;
}

std::string keeperSocket(const Paths& paths) {
  return poolDirectory(paths) + "/keeper";
}

std::string wishesFile(const Paths& paths) {
  return paths.root + "/warm";
}

std::string poolDirectory(const Paths& paths) {
  return paths.run + "/pool";
}

std::string poolSocket(const Paths& paths, const std::string& imageDigest) {
  return poolDirectory(paths) + "/" + imageDigest.substr(imageDigest.find(':') + 1) + ".sock";
}

std::string poolMountPoint(const Paths& paths, const std::string& imageDigest) {
  return poolDirectory(paths) + "/" + imageDigest.substr(imageDigest.find(':') + 1) + ".image";
}

bool isOrdinary(const CreateRequest& request) {
  const Spec& spec = request.spec;
  const bool rights = request.capAdd.empty() && request.capDrop.empty() && !request.privileged &&
                      spec.noNewPrivileges && spec.seccomp && spec.seccompProfile.empty() && spec.landlock &&
                      spec.appArmor.empty() && spec.maskPaths;
  // The one that each sandbox has by default; asking for it makes no difference.
  const bool userns = !request.usernsGiven || spec.userns == UserNamespace::automatic;
  const bool place =
      spec.network == Network::none && userns && spec.devices.empty() && spec.sysctls.empty() && !spec.readOnlyRoot;
  return rights && place && spec.init && !spec.terminal;
}

}  // namespace lightv
