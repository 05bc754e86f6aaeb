#include "core/spec.hpp"

#include <limits>

#include "core/apparmor.hpp"
#include "core/spec_json.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t maxU64 = std::numeric_limits<std::uint64_t>::max();
// What the kernel can hold in a signed 64-bit number of bytes, rounded to pages.
constexpr std::uint64_t maxBytes = std::numeric_limits<std::int64_t>::max();

const std::vector<std::string_view>& mountKinds() {
  static const std::vector<std::string_view> names{"bind", "volume", "tmpfs"};
  return names;
}
const std::vector<std::string_view>& networks() {
  static const std::vector<std::string_view> names{"none", "host"};
  return names;
}
const std::vector<std::string_view>& userNamespaces() {
  static const std::vector<std::string_view> names{"host", "auto", "rootless"};
  return names;
}
const std::vector<std::string_view>& restartWords() {
  static const std::vector<std::string_view> names{"no", "on-failure", "always", "unless-stopped"};
  return names;
}

template <class E>
std::string_view nameOf(const std::vector<std::string_view>& names, E value) {
  return names[static_cast<std::size_t>(value)];
}

void readMounts(JsonReader& reader, std::vector<Mount>& mounts) {
  if (!reader.has("mounts")) return reader.ignore("mounts");
  mounts.clear();
  for (JsonReader& entry : reader.objects("mounts")) {
    Mount mount;
    entry.require("kind");
    entry.word("kind", mount.kind, mountKinds());
    entry.text("source", mount.source);
    entry.require("target");
    entry.text("target", mount.target);
    if (mount.target.empty() || mount.target[0] != '/') entry.fail("target", "must be an absolute path");
    entry.boolean("readOnly", mount.readOnly);
    entry.number("sizeBytes", mount.sizeBytes, std::uint64_t{0}, maxBytes);
    entry.number("mode", mount.mode, 0U, 07777U);
    entry.text("volume", mount.volume);
    entry.boolean("anonymous", mount.anonymous);
    mounts.push_back(std::move(mount));
  }
}

void readRlimits(JsonReader& reader, std::vector<Rlimit>& rlimits) {
  if (!reader.has("rlimits")) return reader.ignore("rlimits");
  rlimits.clear();
  for (JsonReader& entry : reader.objects("rlimits")) {
    Rlimit limit;
    entry.require("name");
    entry.text("name", limit.name);
    entry.number("soft", limit.soft, std::uint64_t{0}, maxU64);
    entry.number("hard", limit.hard, std::uint64_t{0}, maxU64);
    if (limit.soft > limit.hard) entry.fail("soft", "must not be above hard");
    rlimits.push_back(std::move(limit));
  }
}

/** A bucket that can't hold two of the longest lines would let none through. */
constexpr std::uint64_t kLeastLogBurst = 64U << 10;

void readIdentity(JsonReader& reader, Spec& spec) {
  reader.text("id", spec.id);
  if (spec.id.find('/') != std::string::npos) reader.fail("id", "must not hold a slash");
  reader.text("imageName", spec.imageName);
  reader.text("imageDigest", spec.imageDigest);
  reader.text("imagePath", spec.imagePath);
  reader.text("created", spec.created);
  reader.texts("args", spec.args);
  reader.texts("capabilities", spec.capabilities);
}

void writeMounts(JsonWriter& writer, const Spec& spec) {
  writer.beginArray("mounts");
  for (const Mount& mount : spec.mounts) {
    writer.beginObject().member("kind", nameOf(mountKinds(), mount.kind)).member("source", mount.source);
    writer.member("target", mount.target).member("readOnly", mount.readOnly).member("sizeBytes", mount.sizeBytes);
    writer.member("mode", mount.mode).member("volume", mount.volume);
    if (mount.anonymous) writer.member("anonymous", true);
    writer.endObject();
  }
  writer.endArray();
}

void writeIo(JsonWriter& writer, const Limits& limits) {
  writer.beginArray("io");
  for (const Limits::IoMax& io : limits.io) {
    writer.beginObject().member("device", io.device).member("readBps", io.readBps).member("writeBps", io.writeBps);
    writer.member("readIops", io.readIops).member("writeIops", io.writeIops).endObject();
  }
  writer.endArray();
}

void writeIdentity(JsonWriter& writer, const Spec& spec) {
  writer.member("id", spec.id).member("name", spec.name).member("imageName", spec.imageName);
  writer.member("imageDigest", spec.imageDigest).member("imagePath", spec.imagePath).member("created", spec.created);
}

void writeProcess(JsonWriter& writer, const Spec& spec) {
  writer.member("args", spec.args).member("env", spec.env).member("cwd", spec.cwd).member("user", spec.user);
  writer.member("groupAdd", spec.groupAdd).member("hostname", spec.hostname).member("terminal", spec.terminal);
  writer.member("openStdin", spec.openStdin).member("init", spec.init);
}

/** What create() decides; never part of a request. */
void readUserNamespace(JsonReader& reader, Spec& spec) {
  reader.boolean("usernsRequired", spec.usernsRequired);
  // (uid_t)-1 means nobody: the last range ends below.
  reader.number("idBase", spec.idBase, 0U, 0xFFFEFFFFU);
  reader.text("usernsFallback", spec.usernsFallback);
}

void writeUserNamespace(JsonWriter& writer, const Spec& spec) {
  if (spec.usernsRequired) writer.member("usernsRequired", true);
  if (spec.idBase != 0) writer.member("idBase", spec.idBase);
  if (!spec.usernsFallback.empty()) writer.member("usernsFallback", spec.usernsFallback);
}

void writeRlimits(JsonWriter& writer, const Spec& spec) {
  writer.beginArray("rlimits");
  for (const Rlimit& limit : spec.rlimits) {
    writer.beginObject().member("name", limit.name).member("soft", limit.soft).member("hard", limit.hard).endObject();
  }
  writer.endArray();
}

void writeSecurity(JsonWriter& writer, const Spec& spec) {
  writeRlimits(writer, spec);
  writer.member("capabilities", spec.capabilities).member("noNewPrivileges", spec.noNewPrivileges);
  writer.member("seccomp", spec.seccomp).member("maskPaths", spec.maskPaths).member("oomScoreAdj", spec.oomScoreAdj);
  writer.member("sysctls", spec.sysctls).member("landlock", spec.landlock);
  if (!spec.seccompProfile.empty()) writer.member("seccompProfile", spec.seccompProfile);
  if (!spec.appArmor.empty()) writer.member("appArmor", spec.appArmor);
  writer.member("shmSizeBytes", spec.shmSizeBytes);
}

void writeLife(JsonWriter& writer, const Spec& spec) {
  writer.member("stopSignal", spec.stopSignal).member("stopTimeoutMs", spec.stopTimeoutMs);
  writeRestartPolicy(writer, "restart", spec.restart);
  writeLogOptions(writer, spec.log);
  writer.member("autoRemove", spec.autoRemove).member("labels", spec.labels).member("annotations", spec.annotations);
}

/** Writes members that differ from a default Spec's. */
class Differences {
 public:
  Differences(JsonWriter& writer, const Spec& spec) : writer_(writer), spec_(spec) {}
  template <class T>
  Differences& member(const char* name, T Spec::*field) {
    if (spec_.*field != plain_.*field) writer_.member(name, spec_.*field);
    return *this;
  }
  template <class E>
  Differences& word(const char* name, E Spec::*field, const std::vector<std::string_view>& names) {
    if (spec_.*field != plain_.*field) writer_.member(name, nameOf(names, spec_.*field));
    return *this;
  }
  template <class T>
  [[nodiscard]] bool differs(T Spec::*field) const {
    return !(spec_.*field == plain_.*field);
  }

 private:
  JsonWriter& writer_;
  const Spec& spec_;
  const Spec plain_;
};

}  // namespace

void readLogOptions(JsonReader& entry, LogOptions& log) {
  entry.number("maxSizeBytes", log.maxSizeBytes, std::uint64_t{4096}, maxBytes);
  entry.number("maxFiles", log.maxFiles, 1U, 1000U);
  entry.number("rateBytes", log.rateBytes, std::uint64_t{0}, maxBytes);
  entry.number("burstBytes", log.burstBytes, kLeastLogBurst, maxBytes);
  entry.boolean("enabled", log.enabled);
}

void writeLogOptions(JsonWriter& writer, const LogOptions& log) {
  writer.beginObject("log").member("maxSizeBytes", log.maxSizeBytes).member("maxFiles", log.maxFiles);
  writer.member("rateBytes", log.rateBytes).member("burstBytes", log.burstBytes);
  writer.member("enabled", log.enabled).endObject();
}

void writeSpecSettings(JsonWriter& writer, const Spec& spec) {
  Differences out(writer, spec);
  out.member("name", &Spec::name).member("env", &Spec::env).member("cwd", &Spec::cwd).member("user", &Spec::user);
  out.member("groupAdd", &Spec::groupAdd).member("hostname", &Spec::hostname).member("terminal", &Spec::terminal);
  out.member("openStdin", &Spec::openStdin).member("init", &Spec::init).member("readOnlyRoot", &Spec::readOnlyRoot);
  out.member("storageSizeBytes", &Spec::storageSizeBytes);
  if (out.differs(&Spec::mounts)) writeMounts(writer, spec);
  out.member("devices", &Spec::devices).word("network", &Spec::network, networks());
  out.word("userns", &Spec::userns, userNamespaces()).member("cgroupParent", &Spec::cgroupParent);
  if (out.differs(&Spec::limits)) writeLimits(writer, "limits", spec.limits);
  if (out.differs(&Spec::rlimits)) writeRlimits(writer, spec);
  out.member("noNewPrivileges", &Spec::noNewPrivileges).member("seccomp", &Spec::seccomp);
  out.member("seccompProfile", &Spec::seccompProfile);
  out.member("sysctls", &Spec::sysctls).member("landlock", &Spec::landlock).member("appArmor", &Spec::appArmor);
  out.member("maskPaths", &Spec::maskPaths).member("oomScoreAdj", &Spec::oomScoreAdj);
  out.member("shmSizeBytes", &Spec::shmSizeBytes).member("stopSignal", &Spec::stopSignal);
  out.member("stopTimeoutMs", &Spec::stopTimeoutMs);
  if (out.differs(&Spec::restart)) writeRestartPolicy(writer, "restart", spec.restart);
  if (out.differs(&Spec::log)) writeLogOptions(writer, spec.log);
  out.member("autoRemove", &Spec::autoRemove).member("labels", &Spec::labels);
  out.member("annotations", &Spec::annotations);
}

void readLimits(JsonReader& reader, Limits& limits) {
  reader.number("memoryMax", limits.memoryMax, std::uint64_t{0}, maxBytes);
  reader.number("memoryReservation", limits.memoryReservation, std::uint64_t{0}, maxBytes);
  reader.number("memoryHigh", limits.memoryHigh, std::uint64_t{0}, maxBytes);
  reader.number("swapMax", limits.swapMax, std::uint64_t{0}, maxBytes);
  reader.number("cpuQuotaUs", limits.cpuQuotaUs, std::uint64_t{1000}, maxBytes);
  reader.number("cpuPeriodUs", limits.cpuPeriodUs, std::uint64_t{1000}, std::uint64_t{1000000});
  reader.number("cpuShares", limits.cpuShares, std::uint64_t{2}, std::uint64_t{262144});
  reader.text("cpusetCpus", limits.cpusetCpus);
  reader.text("cpusetMems", limits.cpusetMems);
  reader.number("pidsMax", limits.pidsMax, std::int64_t{1}, std::numeric_limits<std::int64_t>::max());
  reader.number("ioWeight", limits.ioWeight, 10U, 1000U);
  if (!reader.has("io")) return reader.ignore("io");
  limits.io.clear();
  for (JsonReader& entry : reader.objects("io")) {
    Limits::IoMax io;
    entry.require("device");
    entry.text("device", io.device);
    entry.number("readBps", io.readBps, std::uint64_t{0}, maxU64);
    entry.number("writeBps", io.writeBps, std::uint64_t{0}, maxU64);
    entry.number("readIops", io.readIops, std::uint64_t{0}, maxU64);
    entry.number("writeIops", io.writeIops, std::uint64_t{0}, maxU64);
    limits.io.push_back(std::move(io));
  }
}

void readRestartPolicy(JsonReader& reader, RestartPolicy& policy) {
  reader.word("policy", policy.when, restartWords());
  reader.number("maxRetries", policy.maxRetries, 0U, std::numeric_limits<std::uint32_t>::max());
  if (policy.maxRetries != 0 && policy.when != RestartWhen::onFailure) {
    reader.fail("maxRetries", "is for the policy \"on-failure\" only");
  }
}

void readSpecSettings(JsonReader& reader, Spec& spec) {
  reader.text("name", spec.name);
  reader.texts("env", spec.env);
  reader.text("cwd", spec.cwd);
  if (spec.cwd.empty() || spec.cwd[0] != '/') reader.fail("cwd", "must be an absolute path");
  reader.text("user", spec.user);
  reader.texts("groupAdd", spec.groupAdd);
  reader.text("hostname", spec.hostname);
  // __NEW_UTS_LEN of the kernel.
  if (spec.hostname.size() > 64) reader.fail("hostname", "must be at most 64 bytes");
  reader.boolean("terminal", spec.terminal);
  reader.boolean("openStdin", spec.openStdin);
  reader.boolean("init", spec.init);
  reader.boolean("readOnlyRoot", spec.readOnlyRoot);
  reader.number("storageSizeBytes", spec.storageSizeBytes, std::uint64_t{0}, maxBytes);
  if (spec.storageSizeBytes != 0 && spec.storageSizeBytes < kLeastLayerBytes) {
    reader.fail("storageSizeBytes", "must be 0 or at least 16777216");
  }
  readMounts(reader, spec.mounts);
  reader.texts("devices", spec.devices);
  reader.word("network", spec.network, networks());
  reader.word("userns", spec.userns, userNamespaces());
  reader.text("cgroupParent", spec.cgroupParent);
  if (spec.cgroupParent.empty() || spec.cgroupParent[0] != '/') {
    reader.fail("cgroupParent", "must be an absolute path");
  }
  JsonReader limits = reader.object("limits");
  readLimits(limits, spec.limits);
  readRlimits(reader, spec.rlimits);
  reader.boolean("noNewPrivileges", spec.noNewPrivileges);
  reader.boolean("seccomp", spec.seccomp);
  reader.text("seccompProfile", spec.seccompProfile);
  if (!spec.seccompProfile.empty() && !spec.seccomp) reader.fail("seccompProfile", "excludes seccomp: false");
  reader.boolean("maskPaths", spec.maskPaths);
  reader.textMap("sysctls", spec.sysctls);
  reader.boolean("landlock", spec.landlock);
  reader.text("appArmor", spec.appArmor);
  if (!spec.appArmor.empty() && !checkAppArmorProfile(spec.appArmor)) {
    reader.fail("appArmor", "must be a profile's name or \"unconfined\"");
  }
  reader.number("oomScoreAdj", spec.oomScoreAdj, -1000, 1000);
  reader.number("shmSizeBytes", spec.shmSizeBytes, std::uint64_t{4096}, maxBytes);
  reader.number("stopSignal", spec.stopSignal, 1, 64);
  reader.number("stopTimeoutMs", spec.stopTimeoutMs, 0U, std::numeric_limits<std::uint32_t>::max());
  JsonReader restart = reader.object("restart");
  readRestartPolicy(restart, spec.restart);
  JsonReader log = reader.object("log");
  readLogOptions(log, spec.log);
  reader.boolean("autoRemove", spec.autoRemove);
  reader.textMap("labels", spec.labels);
  reader.textMap("annotations", spec.annotations);
}

void writeLimits(JsonWriter& writer, std::string_view name, const Limits& limits) {
  writer.beginObject(name).member("memoryMax", limits.memoryMax).member("memoryReservation", limits.memoryReservation);
  writer.member("memoryHigh", limits.memoryHigh).member("swapMax", limits.swapMax);
  writer.member("cpuQuotaUs", limits.cpuQuotaUs).member("cpuPeriodUs", limits.cpuPeriodUs);
  writer.member("cpuShares", limits.cpuShares);
  writer.member("cpusetCpus", limits.cpusetCpus).member("cpusetMems", limits.cpusetMems);
  writer.member("pidsMax", limits.pidsMax).member("ioWeight", limits.ioWeight);
  writeIo(writer, limits);
  writer.endObject();
}

void writeRestartPolicy(JsonWriter& writer, std::string_view name, const RestartPolicy& policy) {
  writer.beginObject(name).member("policy", nameOf(restartWords(), policy.when));
  writer.member("maxRetries", policy.maxRetries).endObject();
}

Result<Spec> parseSpec(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "config.json");
  if (!reader) return reader.error();
  Spec spec;
  readIdentity(*reader, spec);
  readUserNamespace(*reader, spec);
  readSpecSettings(*reader, spec);
  if (Status finished = reader->finish(spec.unknownKeys); !finished) return finished.error();
  return spec;
}

std::string unknownKeysWarning(const std::vector<std::string>& keys) {
  constexpr std::size_t kMostNames = 8;
  std::string text;
  for (std::size_t at = 0; at < keys.size() && at < kMostNames; at++) text += (at == 0 ? "" : ", ") + keys[at];
  if (text.empty()) return "";
  if (keys.size() > kMostNames) text += ", and " + std::to_string(keys.size() - kMostNames) + " more";
  return "without effect, as this version does not know it: " + text;
}

Result<Limits> parseLimits(std::string_view json) {
  Result<JsonReader> reader = JsonReader::parse(json, "limits");
  if (!reader) return reader.error();
  Limits limits;
  readLimits(*reader, limits);
  if (Status finished = reader->finish(); !finished) return finished.error();
  return limits;
}

std::string toJson(const Spec& spec) {
  JsonWriter writer;
  writer.beginObject();
  writeIdentity(writer, spec);
  writeProcess(writer, spec);
  writer.member("readOnlyRoot", spec.readOnlyRoot).member("storageSizeBytes", spec.storageSizeBytes);
  writeMounts(writer, spec);
  writer.member("devices", spec.devices).member("network", nameOf(networks(), spec.network));
  writer.member("userns", nameOf(userNamespaces(), spec.userns)).member("cgroupParent", spec.cgroupParent);
  writeUserNamespace(writer, spec);
  writeLimits(writer, "limits", spec.limits);
  writeSecurity(writer, spec);
  writeLife(writer, spec);
  writer.endObject();
  return writer.text();
}

}  // namespace lightv
