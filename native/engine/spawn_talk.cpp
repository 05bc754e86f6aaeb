#include "engine/spawn_talk.hpp"

#include <cerrno>

#include "engine/names.hpp"
#include "sys/json.hpp"
#include "sys/socket.hpp"

namespace lightv {
namespace {

const std::vector<std::string_view>& opWords() {
  static const std::vector<std::string_view> words{"monitor", "exec"};
  return words;
}

}  // namespace

std::string toJson(const SpawnRequest& request) {
  JsonWriter writer;
  writer.beginObject().member("op", opWords()[static_cast<std::size_t>(request.op)]);
  writer.member("root", request.paths.root).member("run", request.paths.run).member("id", request.id);
  if (request.op == SpawnOp::exec) writer.member("exec", request.exec);
  writer.endObject();
  return writer.text();
}

Result<SpawnRequest> parseSpawnRequest(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "spawn request");
  if (!reader) return reader.error();
  SpawnRequest request;
  for (const char* key : {"op", "root", "run", "id"}) reader->require(key);
  reader->word("op", request.op, opWords());
  reader->text("root", request.paths.root);
  reader->text("run", request.paths.run);
  reader->text("id", request.id);
  reader->text("exec", request.exec);
  if (!isSandboxId(request.id)) reader->fail("id", "must be a sandbox's id");
  for (const std::string* path : {&request.paths.root, &request.paths.run}) {
    if (!path->starts_with('/')) reader->fail("root", "and \"run\" must be absolute paths");
  }
  if (Status read = reader->finish(request.unknownKeys); !read) return read.error();
  return request;
}

std::string spawnSocket(const Paths& paths) {
  return paths.run + "/spawn.sock";
}

Result<Fd> reachSpawner(const Paths& paths) {
  Result<Fd> connection = connectSeqpacket(spawnSocket(paths));
  if (connection) return connection;
  const int err = connection.error().err;
  if (err == ENOENT || err == ECONNREFUSED) return Fd();
  return connection.error();
}

}  // namespace lightv
