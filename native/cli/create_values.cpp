// Flag values that have a grammar of their own.
#include <algorithm>
#include <climits>
#include <cstdlib>

#include "cli/create_options.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

using View = std::string_view;

/** `./x` and `../x` as in a shell; a word without a slash is a volume's name. */
bool isPath(View source) {
  return source.starts_with('/') || source.starts_with("./") || source.starts_with("../") || source == "." ||
         source == "..";
}

std::string absolutePath(const std::string& path) {
  if (path.starts_with('/')) return path;
  char* resolved = ::realpath(path.c_str(), nullptr);
  // What does not exist is the engine's to complain about, by the path that was given.
  std::string absolute = resolved == nullptr ? path : resolved;
  std::free(resolved);
  return absolute;
}

bool isVolumeName(View name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return name.size() >= 2 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

void setSource(Mount& mount, const std::string& source) {
  mount.kind = isPath(source) ? MountKind::bind : MountKind::volume;
  (mount.kind == MountKind::bind ? mount.source : mount.volume) = isPath(source) ? absolutePath(source) : source;
}

Status setTmpfsSize(Mount& mount, View flag, View whole, View value) {
  const auto size = parseSize(value);
  if (!size || *size == 0) return invalidValue(flag, whole, "its size needs a number of bytes such as 16m");
  mount.sizeBytes = *size;
  return {};
}

Status setTmpfsMode(Mount& mount, View flag, View whole, View value) {
  const auto mode = parseInteger<std::uint32_t>(value, 8);
  if (!mode || *mode > 07777) return invalidValue(flag, whole, "its mode needs an octal number such as 1777");
  mount.mode = *mode;
  return {};
}

Status setMountKey(Mount& mount, View whole, View key, View value) {
  if (key == "type") return {};  // read before
  if (key == "source" || key == "src") {
    if (mount.kind == MountKind::bind) mount.source = absolutePath(std::string(value));
    if (mount.kind == MountKind::volume) mount.volume = value;
    if (mount.kind == MountKind::tmpfs) return invalidValue("mount", whole, "a tmpfs has no source");
    return {};
  }
  if (key == "target" || key == "destination" || key == "dst") {
    mount.target = value;
    return {};
  }
  if (key == "readonly" || key == "ro") {
    if (!value.empty() && value != "true" && value != "1" && value != "false" && value != "0") {
      return invalidValue("mount", whole, "readonly takes true or false");
    }
    mount.readOnly = value != "false" && value != "0";
    return {};
  }
  if (mount.kind == MountKind::tmpfs && key == "tmpfs-size") return setTmpfsSize(mount, "mount", whole, value);
  if (mount.kind == MountKind::tmpfs && key == "tmpfs-mode") return setTmpfsMode(mount, "mount", whole, value);
  return invalidValue(
      "mount", whole,
      "there is no \"" + std::string(key) + "\"; there are type, source, target, readonly, tmpfs-size, tmpfs-mode");
}

Status checkMount(const Mount& mount, View flag, View whole) {
  if (!mount.target.starts_with('/')) return invalidValue(flag, whole, "the target must be an absolute path");
  if (mount.kind == MountKind::volume && !isVolumeName(mount.volume)) {
    return invalidValue(
        flag, whole,
        "the source must be a path with a slash, or a volume's name (letters, digits, '_', '.', '-', two at least)");
  }
  if (mount.kind == MountKind::bind && mount.source.empty())
    return invalidValue(flag, whole, "a bind mount needs a source");
  return {};
}

}  // namespace

Status addVolume(Spec& spec, View value) {
  const std::vector<std::string> parts = split(value, ':');
  if (parts.size() < 2 || parts.size() > 3) return invalidValue("volume", value, "SOURCE:TARGET or SOURCE:TARGET:ro");
  Mount mount;
  setSource(mount, parts[0]);
  mount.target = parts[1];
  if (parts.size() == 3) {
    if (parts[2] != "ro" && parts[2] != "rw") return invalidValue("volume", value, "the options are ro and rw");
    mount.readOnly = parts[2] == "ro";
  }
  if (Status status = checkMount(mount, "volume", value); !status) return status;
  spec.mounts.push_back(std::move(mount));
  return {};
}

Status addMount(Spec& spec, View value) {
  Mount mount{.kind = MountKind::volume};
  const std::vector<std::string> pairs = split(value, ',');
  for (const std::string& pair : pairs) {
    if (!pair.starts_with("type=")) continue;
    const std::string type = pair.substr(5);
    if (type != "bind" && type != "volume" && type != "tmpfs")
      return invalidValue("mount", value, "type is bind, volume or tmpfs");
    mount.kind = type == "bind" ? MountKind::bind : type == "tmpfs" ? MountKind::tmpfs : MountKind::volume;
  }
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    const View rest = equals == std::string::npos ? View() : View(pair).substr(equals + 1);
    if (Status status = setMountKey(mount, value, View(pair).substr(0, equals), rest); !status) return status;
  }
  if (Status status = checkMount(mount, "mount", value); !status) return status;
  spec.mounts.push_back(std::move(mount));
  return {};
}

Status setShmSize(Spec& spec, View value) {
  const auto size = parseSize(value);
  if (!size || *size == 0) return invalidValue("shm-size", value, "a size such as 64m");
  spec.shmSizeBytes = *size;
  return {};
}

Status addTmpfs(Spec& spec, View value) {
  const std::size_t colon = value.find(':');
  Mount mount{.kind = MountKind::tmpfs, .target = std::string(value.substr(0, colon))};
  const View options = colon == View::npos ? View() : value.substr(colon + 1);
  for (const std::string& option : split(options, ',')) {
    Status status;
    if (option.starts_with("size=")) {
      status = setTmpfsSize(mount, "tmpfs", value, View(option).substr(5));
    } else if (option.starts_with("mode=")) {
      status = setTmpfsMode(mount, "tmpfs", value, View(option).substr(5));
    } else if (option == "ro") {
      mount.readOnly = true;
    } else if (!option.empty() && option != "rw" && option != "nosuid" && option != "nodev") {
      status = invalidValue("tmpfs", value, "the options are size=…, mode=…, ro and rw (nosuid and nodev always hold)");
    }
    if (!status) return status;
  }
  if (Status status = checkMount(mount, "tmpfs", value); !status) return status;
  spec.mounts.push_back(std::move(mount));
  return {};
}

Status addUlimit(Spec& spec, View value) {
  const std::size_t equals = value.find('=');
  const View numbers = equals == View::npos ? View() : value.substr(equals + 1);
  const std::vector<std::string> parts = split(numbers, ':');
  const auto read = [](const std::string& text) {
    constexpr std::uint64_t unlimited = ~0ULL;  // RLIM64_INFINITY
    return text == "-1" || text == "unlimited" ? std::optional(unlimited) : parseInteger<std::uint64_t>(text);
  };
  const auto soft = read(parts.front());
  const auto hard = read(parts.back());
  if (equals == 0 || equals == View::npos || parts.size() > 2 || !soft || !hard) {
    return invalidValue("ulimit", value, "NAME=SOFT or NAME=SOFT:HARD, such as nofile=1024:4096");
  }
  if (*soft > *hard) return invalidValue("ulimit", value, "the soft limit is at most the hard one");
  std::erase_if(spec.rlimits, [&](const Rlimit& limit) { return View(limit.name) == value.substr(0, equals); });
  spec.rlimits.push_back({.name = std::string(value.substr(0, equals)), .soft = *soft, .hard = *hard});
  return {};
}

Status setRestart(CreateOptions& options, View value) {
  const std::size_t colon = value.find(':');
  const View name = value.substr(0, colon);
  RestartPolicy policy;
  if (name == "on-failure") policy.when = RestartWhen::onFailure;
  if (name == "always") policy.when = RestartWhen::always;
  if (name == "unless-stopped") policy.when = RestartWhen::unlessStopped;
  if (policy.when == RestartWhen::no && name != "no") {
    return invalidValue("restart", value, "no, on-failure, on-failure:MOST, always or unless-stopped");
  }
  if (colon != View::npos) {
    const auto most = parseInteger<std::uint32_t>(value.substr(colon + 1));
    if (!most || policy.when != RestartWhen::onFailure)
      return invalidValue("restart", value, "on-failure alone takes a number of times");
    policy.maxRetries = *most;
  }
  options.restart = policy;
  options.request.spec.restart = policy;
  return {};
}

Status addLogOption(Spec& spec, View value) {
  const std::size_t equals = value.find('=');
  const View key = value.substr(0, equals);
  const View text = equals == View::npos ? View() : value.substr(equals + 1);
  constexpr std::uint64_t least = 4096;
  constexpr std::uint32_t mostFiles = 1000;
  if (key == "max-size") {
    const auto size = parseSize(text);
    if (!size || *size < least) return invalidValue("log-opt", value, "max-size takes a size from 4k, such as 1m");
    spec.log.maxSizeBytes = *size;
  } else if (key == "max-file") {
    const auto files = parseInteger<std::uint32_t>(text);
    if (!files || *files == 0 || *files > mostFiles)
      return invalidValue("log-opt", value, "max-file takes a number from 1 to 1000");
    spec.log.maxFiles = *files;
  } else if (key == "max-rate") {
    const auto rate = text == "unlimited" ? std::optional<std::uint64_t>(0) : parseSize(text);
    if (!rate || (*rate == 0 && text != "unlimited"))
      return invalidValue("log-opt", value, "max-rate takes bytes a second such as 256k, or unlimited");
    spec.log.rateBytes = *rate;
  } else if (key == "max-burst") {
    constexpr std::uint64_t leastBurst = 64U << 10;
    const auto burst = parseSize(text);
    if (!burst || *burst < leastBurst) return invalidValue("log-opt", value, "max-burst takes a size from 64k");
    spec.log.burstBytes = *burst;
  } else {
    return invalidValue("log-opt", value, "the keys are max-size, max-file, max-rate and max-burst");
  }
  return {};
}

Status addStorageOption(Spec& spec, View value) {
  const auto size = value.starts_with("size=") ? parseSize(value.substr(5)) : std::nullopt;
  if (!size || *size < kLeastLayerBytes)
    return invalidValue("storage-opt", value, "size= and a size from 16m, such as size=64m");
  spec.storageSizeBytes = *size;
  return {};
}

Status addDeviceLimit(Limits& limits, View flag, View value, IoKind kind) {
  const std::size_t colon = value.rfind(':');
  const std::string device(value.substr(0, colon));
  const View text = colon == View::npos ? View() : value.substr(colon + 1);
  const bool bytes = kind == IoKind::readBps || kind == IoKind::writeBps;
  const auto rate = bytes ? parseSize(text) : parseInteger<std::uint64_t>(text);
  if (!device.starts_with('/') || !rate || *rate == 0) {
    return invalidValue(flag, value,
                        bytes ? "DEVICE:BYTES, such as /dev/sda:1mb" : "DEVICE:NUMBER, such as /dev/sda:1000");
  }
  auto entry =
      std::find_if(limits.io.begin(), limits.io.end(), [&](const Limits::IoMax& io) { return io.device == device; });
  if (entry == limits.io.end()) entry = limits.io.insert(limits.io.end(), Limits::IoMax{.device = device});
  if (kind == IoKind::readBps) entry->readBps = *rate;
  if (kind == IoKind::writeBps) entry->writeBps = *rate;
  if (kind == IoKind::readIops) entry->readIops = *rate;
  if (kind == IoKind::writeIops) entry->writeIops = *rate;
  return {};
}

}  // namespace lightv::cli
