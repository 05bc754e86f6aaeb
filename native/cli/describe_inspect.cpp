// The objects of `inspect`, with Docker's keys where Docker has them.
#include "cli/describe.hpp"
#include "cli/output.hpp"
#include "core/apparmor.hpp"
#include "core/user_namespace.hpp"
#include "rootless/user.hpp"
#include "sys/hash.hpp"
#include "sys/json.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr const char* kNever = "0001-01-01T00:00:00Z";

const char* restartName(RestartWhen when) {
  switch (when) {
    case RestartWhen::no:
      return "no";
    case RestartWhen::onFailure:
      return "on-failure";
    case RestartWhen::always:
      return "always";
    case RestartWhen::unlessStopped:
      return "unless-stopped";
  }
  return "";
}

const char* kindName(MountKind kind) {
  switch (kind) {
    case MountKind::bind:
      return "bind";
    case MountKind::volume:
      return "volume";
    case MountKind::tmpfs:
      return "tmpfs";
  }
  return "";
}

/** A profile of the user's own by its digest: its text is in config.json. */
std::string seccompName(const Spec& spec) {
  if (!spec.seccomp) return "unconfined";
  return spec.seccompProfile.empty() ? "default" : digestText(sha256(spec.seccompProfile));
}

void writeState(JsonWriter& out, const SandboxInfo& info) {
  const bool alive = info.status == SandboxStatus::running || info.status == SandboxStatus::paused;
  out.beginObject("State");
  out.member("Status", statusName(info.status)).member("Running", alive || info.status == SandboxStatus::restarting);
  out.member("Paused", info.status == SandboxStatus::paused)
      .member("Restarting", info.status == SandboxStatus::restarting);
  out.member("OOMKilled", info.exit && info.exit->oomKilled).member("Dead", false).member("Pid", info.pid);
  out.member("InitPid", info.initPid).member("MonitorPid", info.monitorPid);
  out.member("ExitCode", info.exit ? info.exit->exitCode : 0).member("ExitSignal", info.exit ? info.exit->signal : 0);
  out.member("Lost", info.exit && info.exit->lost).member("Error", info.exit ? info.exit->error : std::string());
  out.member("LogDroppedLines", info.logDroppedLines).member("LogDroppedBytes", info.logDroppedBytes);
  out.member("StartedAt", info.startedAt.empty() ? std::string(kNever) : info.startedAt);
  out.member("FinishedAt", info.exit && !info.exit->finishedAt.empty() ? info.exit->finishedAt : std::string(kNever));
  out.endObject();
}

void writeDeviceLimits(JsonWriter& out, const Limits& limits) {
  using Io = Limits::IoMax;
  const std::pair<const char*, std::uint64_t Io::*> lists[] = {{"BlkioDeviceReadBps", &Io::readBps},
                                                               {"BlkioDeviceWriteBps", &Io::writeBps},
                                                               {"BlkioDeviceReadIOps", &Io::readIops},
                                                               {"BlkioDeviceWriteIOps", &Io::writeIops}};
  for (const auto& [name, rate] : lists) {
    out.beginArray(name);
    for (const Io& io : limits.io) {
      if (io.*rate != 0) out.beginObject().member("Path", io.device).member("Rate", io.*rate).endObject();
    }
    out.endArray();
  }
}

/** Of one that runs what the kernel says; of another what it will have. 0: the host's own ids. */
std::uint32_t idBaseNow(const SandboxInfo& info) {
  if (info.spec.userns != UserNamespace::automatic) return 0;
  const Result<std::uint32_t> now = info.initPid > 0 ? idBaseOf(info.initPid) : Result<std::uint32_t>(0U);
  return info.initPid > 0 && now ? *now : info.spec.idBase;
}

std::vector<std::string> shown(const IdMap& map) {
  std::vector<std::string> lines;
  for (const IdExtent& extent : map) {
    lines.push_back(std::to_string(extent.inside) + ":" + std::to_string(extent.outside) + ":" +
                    std::to_string(extent.count));
  }
  return lines;
}

/** What every sandbox of this user has. */
void writeUserMaps(JsonWriter& out) {
  const Result<UserMaps> maps = mapsOf(currentUser());
  out.member("UsernsMode", "rootless").member("UsernsFallback", "");
  out.beginObject("IDMappings").member("UidMap", maps ? shown(maps->users) : std::vector<std::string>());
  out.member("GidMap", maps ? shown(maps->groups) : std::vector<std::string>()).endObject();
}

/** Podman's keys; maps as inside:outside:count. */
void writeUserNamespace(JsonWriter& out, const SandboxInfo& info) {
  if (info.spec.userns == UserNamespace::rootless) return writeUserMaps(out);
  const std::uint32_t base = idBaseNow(info);
  out.member("UsernsMode", base != 0 ? "auto" : "host").member("UsernsFallback", info.spec.usernsFallback);
  out.beginObject("IDMappings");
  for (const char* key : {"UidMap", "GidMap"}) {
    std::vector<std::string> map;
    if (base != 0) map.push_back("0:" + std::to_string(base) + ":" + std::to_string(kIdRangeSize));
    out.member(key, map);
  }
  out.endObject();
}

void writeHostConfig(JsonWriter& out, const SandboxInfo& info) {
  const Spec& spec = info.spec;
  const Limits& limits = spec.limits;
  const auto number = [](const auto& value) { return value ? static_cast<std::uint64_t>(*value) : 0; };
  constexpr std::uint64_t nanosPerMicro = 1000, cpuPeriod = 100'000;
  out.beginObject("HostConfig");
  out.member("NetworkMode", spec.network == Network::host ? "host" : "none");
  writeUserNamespace(out, info);
  out.member("AutoRemove", spec.autoRemove).member("ReadonlyRootfs", spec.readOnlyRoot).member("Init", spec.init);
  out.beginObject("RestartPolicy")
      .member("Name", restartName(spec.restart.when))
      .member("MaximumRetryCount", spec.restart.maxRetries)
      .endObject();
  out.member("Memory", number(limits.memoryMax)).member("MemoryReservation", number(limits.memoryReservation));
  out.member("MemoryHigh", number(limits.memoryHigh));
  // Docker: memory and swap together, -1 without bound.
  out.key("MemorySwap");
  if (limits.memoryMax && limits.swapMax) {
    out.value(*limits.memoryMax + *limits.swapMax);
  } else {
    out.value(limits.memoryMax ? -1 : 0);
  }
  out.member("CpuShares", number(limits.cpuShares))
      .member("CpuPeriod", limits.cpuQuotaUs ? limits.cpuPeriodUs : 0)
      .member("CpuQuota", number(limits.cpuQuotaUs));
  out.member("NanoCpus",
             limits.cpuQuotaUs ? *limits.cpuQuotaUs * cpuPeriod * 10 / limits.cpuPeriodUs * nanosPerMicro : 0);
  out.member("CpusetCpus", limits.cpusetCpus).member("CpusetMems", limits.cpusetMems);
  out.member("PidsLimit", number(limits.pidsMax)).member("BlkioWeight", number(limits.ioWeight));
  writeDeviceLimits(out, limits);
  out.beginObject("StorageOpt");
  if (spec.storageSizeBytes != 0) out.member("size", std::to_string(spec.storageSizeBytes));
  out.endObject();
  out.beginArray("Ulimits");
  for (const Rlimit& limit : spec.rlimits) {
    out.beginObject().member("Name", limit.name).member("Soft", limit.soft).member("Hard", limit.hard).endObject();
  }
  out.endArray();
  out.member("Capabilities", spec.capabilities)
      .member("NoNewPrivileges", spec.noNewPrivileges)
      .member("Seccomp", spec.seccomp)
      .member("SeccompProfile", seccompName(spec))
      .member("Landlock", spec.landlock)
      .member("AppArmor", appArmorProfile(spec))
      .member("Sysctls", spec.sysctls);
  out.member("MaskedPaths", spec.maskPaths).member("Devices", spec.devices).member("GroupAdd", spec.groupAdd);
  out.member("OomScoreAdj", spec.oomScoreAdj)
      .member("ShmSize", spec.shmSizeBytes)
      .member("CgroupParent", spec.cgroupParent);
  out.beginObject("LogConfig").member("Type", spec.log.enabled ? "cri" : "none").beginObject("Config");
  out.member("max-size", std::to_string(spec.log.maxSizeBytes)).member("max-file", std::to_string(spec.log.maxFiles));
  out.member("max-rate", spec.log.rateBytes == 0 ? "unlimited" : std::to_string(spec.log.rateBytes))
      .member("max-burst", std::to_string(spec.log.burstBytes))
      .endObject()
      .endObject();
  out.endObject();
}

void writeMounts(JsonWriter& out, const Spec& spec) {
  out.beginArray("Mounts");
  for (const Mount& mount : spec.mounts) {
    out.beginObject().member("Type", kindName(mount.kind));
    if (mount.kind == MountKind::volume) out.member("Name", mount.volume);
    out.member("Source", mount.source).member("Destination", mount.target).member("RW", !mount.readOnly);
    if (mount.kind == MountKind::tmpfs) out.member("Size", mount.sizeBytes).member("Mode", mount.mode);
    out.endObject();
  }
  out.endArray();
}

void writeConfig(JsonWriter& out, const Spec& spec) {
  constexpr unsigned msPerSecond = 1000;
  out.beginObject("Config");
  out.member("Image", spec.imageName)
      .member("Hostname", spec.hostname)
      .member("User", spec.user)
      .member("Tty", spec.terminal);
  out.member("OpenStdin", spec.openStdin)
      .member("Env", spec.env)
      .member("Cmd", spec.args)
      .member("WorkingDir", spec.cwd);
  out.member("Labels", spec.labels).member("Annotations", spec.annotations);
  out.member("StopSignal", "SIG" + signalName(spec.stopSignal)).member("StopTimeout", spec.stopTimeoutMs / msPerSecond);
  out.endObject();
}

}  // namespace

std::string inspectSandbox(const Engine& engine, const SandboxInfo& info) {
  const Spec& spec = info.spec;
  JsonWriter out;
  out.beginObject().member("Id", spec.id).member("Name", spec.name).member("Created", spec.created);
  out.member("Path", spec.args.empty() ? std::string() : spec.args.front());
  out.member("Args", std::vector<std::string>(spec.args.begin() + (spec.args.empty() ? 0 : 1), spec.args.end()));
  writeState(out, info);
  out.member("Image", spec.imageDigest).member("ImagePath", spec.imagePath).member("LogPath", engine.logPath(spec.id));
  out.member("RestartCount", info.restartCount).member("Warnings", info.warnings);
  out.member("AppArmorProfile", appArmorOf(info.pid));
  writeHostConfig(out, info);
  writeMounts(out, spec);
  writeConfig(out, spec);
  return out.endObject().text();
}

std::string inspectImage(const ImageInfo& image, const std::vector<std::string>& names) {
  const auto set = [](JsonWriter& out, const char* key, const std::vector<std::string>& values) {
    out.beginObject(key);
    for (const std::string& value : values) out.beginObject(value).endObject();
    out.endObject();
  };
  JsonWriter out;
  out.beginObject().member("Id", image.digest).member("RepoTags", names).member("Name", image.name);
  out.member("Created", image.created).member("Os", image.os).member("Architecture", image.architecture);
  out.member("Size", image.fileSize);
  out.beginObject("Config")
      .member("Entrypoint", image.config.entrypoint)
      .member("Cmd", image.config.cmd)
      .member("Env", image.config.env);
  out.member("WorkingDir", image.config.workingDir)
      .member("User", image.config.user)
      .member("StopSignal", image.config.stopSignal);
  set(out, "ExposedPorts", image.config.exposedPorts);
  set(out, "Volumes", image.config.volumes);
  out.member("Labels", image.config.labels);
  if (const auto& health = image.config.healthcheck) {
    out.beginObject("Healthcheck").member("Test", health->test).member("Interval", health->intervalNs);
    out.member("Timeout", health->timeoutNs)
        .member("StartPeriod", health->startPeriodNs)
        .member("Retries", health->retries)
        .endObject();
  }
  out.endObject();
  out.beginObject("Budget")
      .member("Memory", image.budgetMemory)
      .member("CpusMilli", image.budgetCpusMilli)
      .member("Pids", image.budgetPids)
      .endObject();
  out.beginObject("Format")
      .member("ErofsSize", image.erofsSize)
      .member("Chunks", image.chunkCount)
      .member("ChunkTableDigest", image.chunkTableDigest)
      .endObject();
  return out.endObject().text();
}

}  // namespace lightv::cli
