// A sandbox info as JSON: docs/sandbox.md, "JSON shapes".
#include "engine/engine.hpp"
#include "monitor/exit_json.hpp"
#include "sys/json.hpp"

namespace lightv {

std::string toJson(const SandboxInfo& info) {
  JsonWriter writer;
  writer.beginObject().member("id", info.spec.id).member("name", info.spec.name);
  writer.member("image", info.spec.imageName).member("imageDigest", info.spec.imageDigest);
  writer.member("status", statusName(info.status)).member("pid", info.pid).member("initPid", info.initPid);
  writer.member("monitorPid", info.monitorPid).member("startedAt", info.startedAt);
  writer.member("created", info.spec.created).member("restartCount", info.restartCount);
  if (info.exit) {
    writer.beginObject("exit");
    writeExit(writer, *info.exit);
    if (!info.exit->lost) writer.member("lost", false);
    writer.endObject();
  } else {
    writer.key("exit").null();
  }
  writer.member("warnings", info.warnings).member("labels", info.spec.labels);
  writer.member("annotations", info.spec.annotations);
  writer.key("spec").raw(toJson(info.spec)).endObject();
  return writer.text();
}

}  // namespace lightv
