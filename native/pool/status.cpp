#include "pool/status.hpp"

#include <limits>

#include "sys/json.hpp"

namespace lightv {

std::string toJson(const PoolStatus& status) {
  JsonWriter writer;
  writer.beginObject().member("pid", status.pid).member("most", status.most).member("paused", status.paused);
  writer.member("taken", status.taken).member("missed", status.missed).member("failures", status.failures);
  writer.member("lastFailure", status.lastFailure).beginArray("images");
  for (const ShelfStatus& image : status.images) {
    writer.beginObject().member("digest", image.digest).member("name", image.name).member("ready", image.ready);
    writer.member("preparing", image.preparing).member("wanted", image.wanted).member("wish", image.wish);
    writer.member("taken", image.taken).endObject();
  }
  writer.endArray().endObject();
  return writer.text();
}

Result<PoolStatus> parsePoolStatus(const std::string& json) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  Result<JsonReader> reader = JsonReader::parse(json, "the runtime's status");
  if (!reader) return reader.error();
  PoolStatus status;
  reader->number("pid", status.pid, 0, std::numeric_limits<pid_t>::max());
  reader->number("most", status.most, 0U, std::numeric_limits<std::uint32_t>::max());
  reader->boolean("paused", status.paused);
  reader->number("taken", status.taken, std::uint64_t{0}, kMost);
  reader->number("missed", status.missed, std::uint64_t{0}, kMost);
  reader->number("failures", status.failures, std::uint64_t{0}, kMost);
  reader->text("lastFailure", status.lastFailure);
  for (JsonReader& entry : reader->objects("images")) {
    ShelfStatus image;
    std::uint64_t ready = 0;
    std::uint64_t preparing = 0;
    entry.text("digest", image.digest);
    entry.text("name", image.name);
    entry.number("ready", ready, std::uint64_t{0}, kMost);
    entry.number("preparing", preparing, std::uint64_t{0}, kMost);
    entry.number("wanted", image.wanted, 0U, std::numeric_limits<std::uint32_t>::max());
    entry.number("wish", image.wish, 0U, std::numeric_limits<std::uint32_t>::max());
    entry.number("taken", image.taken, std::uint64_t{0}, kMost);
    image.ready = ready;
    image.preparing = preparing;
    status.images.push_back(std::move(image));
  }
  if (Status read = reader->finish(); !read) return read.error();
  return status;
}

}  // namespace lightv
