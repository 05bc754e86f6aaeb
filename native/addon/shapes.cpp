#include "addon/shapes.hpp"

#include "sys/json.hpp"

namespace lightv::addon {

std::string toJson(const Started& started) {
  JsonWriter writer;
  writer.beginObject().member("pid", started.pid).member("warnings", started.warnings).endObject();
  return writer.text();
}

std::string toJson(const std::string& id, const Started& started) {
  JsonWriter writer;
  writer.beginObject().member("id", id).member("pid", started.pid).member("warnings", started.warnings).endObject();
  return writer.text();
}

std::string toJson(const SandboxStats& stats) {
  const CgroupStats& c = stats.cgroup;
  JsonWriter writer;
  writer.beginObject().member("monotonicUs", stats.monotonicUs);
  writer.member("memoryBytes", c.memoryBytes).member("memoryPeakBytes", c.memoryPeakBytes);
  writer.member("memoryLimitBytes", c.memoryLimitBytes).member("cpuUsageUs", c.cpuUsageUs);
  writer.member("throttledUs", c.throttledUs).member("pids", c.pids).member("pidsLimit", c.pidsLimit);
  writer.member("ioReadBytes", c.ioReadBytes).member("ioWriteBytes", c.ioWriteBytes);
  writer.member("oomKills", c.oomKills).member("pidsRefused", c.pidsRefused);
  writer.member("logDroppedLines", stats.logDroppedLines).member("logDroppedBytes", stats.logDroppedBytes);
  writer.member("layerUsedBytes", stats.layerUsedBytes).member("layerLimitBytes", stats.layerLimitBytes);
  writer.member("layerFreeInodes", stats.layerFreeInodes).endObject();
  return writer.text();
}

std::string toJson(const std::vector<SandboxInfo>& all) {
  std::string text = "[";
  for (const SandboxInfo& info : all) {
    if (text.size() > 1) text += ',';
    text += lightv::toJson(info);
  }
  return text + "]";
}

std::string toJson(const ImageInfo& image) {
  JsonWriter writer;
  writer.beginObject().member("digest", image.digest).member("name", image.name).member("os", image.os);
  writer.member("architecture", image.architecture).member("created", image.created);
  writer.member("fileSize", image.fileSize).member("erofsSize", image.erofsSize).member("chunkCount", image.chunkCount);
  writer.key("manifest").raw(image.manifestJson).endObject();
  return writer.text();
}

}  // namespace lightv::addon
