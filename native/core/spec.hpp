// A sandbox as plain data: everything is decided (image config merged, defaults filled), nothing is done yet.
// Modelled on the OCI runtime specification's config.json; docs/sandbox.md tells where it lies.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sys/result.hpp"

namespace lightv {

enum class MountKind { bind, volume, tmpfs };

struct Mount {
  MountKind kind = MountKind::bind;
  std::string source;  // bind: absolute host path; volume: the host path of its _data; tmpfs: empty
  std::string target;  // absolute, inside
  bool readOnly = false;
  std::uint64_t sizeBytes = 0;  // tmpfs, 0: the kernel's default
  std::uint32_t mode = 01777;   // tmpfs
  std::string volume;           // the volume's name, for showing
  bool anonymous = false;       // a volume that was made for this sandbox, which had no name for it
  bool operator==(const Mount&) const = default;
};

enum class Network { none, host };
/** rootless: all ids of the engine's own user namespace, which an ordinary user's monitor has made. */
enum class UserNamespace { host, automatic, rootless };

/** Budgets. Absent: not limited. Bytes, microseconds and counts, as the kernel takes them. */
struct Limits {
  std::optional<std::uint64_t> memoryMax;
  std::optional<std::uint64_t> memoryReservation;  // memory.low / soft limit
  std::optional<std::uint64_t> memoryHigh;         // v2 only
  std::optional<std::uint64_t> swapMax;            // swap alone, not memory+swap
  std::optional<std::uint64_t> cpuQuotaUs;
  std::uint64_t cpuPeriodUs = 100000;
  std::optional<std::uint64_t> cpuShares;  // Docker's 2..262144; v2 weight is derived
  std::string cpusetCpus;
  std::string cpusetMems;
  std::optional<std::int64_t> pidsMax;
  std::optional<std::uint32_t> ioWeight;  // 10..1000
  struct IoMax {
    std::string device;                                                    // host path of a block device
    std::uint64_t readBps = 0, writeBps = 0, readIops = 0, writeIops = 0;  // 0: not limited
    bool operator==(const IoMax&) const = default;
  };
  std::vector<IoMax> io;
  bool operator==(const Limits&) const = default;
};

struct Rlimit {
  std::string name;  // "nofile", as in `docker run --ulimit`
  std::uint64_t soft = 0, hard = 0;
  bool operator==(const Rlimit&) const = default;
};

enum class RestartWhen { no, onFailure, always, unlessStopped };

struct RestartPolicy {
  RestartWhen when = RestartWhen::no;
  std::uint32_t maxRetries = 0;  // on-failure only; 0: no bound
  bool operator==(const RestartPolicy&) const = default;
};

/** Of a bounded writable layer: a journal, inodes and something to write take so much. */
constexpr std::uint64_t kLeastLayerBytes = 16U << 20;

struct LogOptions {
  std::uint64_t maxSizeBytes = 1U << 20;
  std::uint32_t maxFiles = 3;
  // What is written faster is dropped and counted: files that rotate have a bound, but flash wears with each byte.
  std::uint64_t rateBytes = 256U << 10;  // a second; 0: no bound
  std::uint64_t burstBytes = 8U << 20;
  bool enabled = true;  // false: `--log-driver none`
  bool operator==(const LogOptions&) const = default;
};

struct Spec {
  std::string id;
  std::string name;
  std::string imageName;    // as the user gave it
  std::string imageDigest;  // sha256:<hex>
  std::string imagePath;    // the .lv file
  std::string created;      // RFC 3339 with nanoseconds

  std::vector<std::string> args;  // what is executed: entrypoint + command
  std::vector<std::string> env;   // KEY=VALUE
  std::string cwd = "/";
  std::string user;  // as given: "", "uid", "name", "uid:gid", "name:group"; looked up inside the root
  std::vector<std::string> groupAdd;
  std::string hostname;
  bool terminal = false;
  bool openStdin = false;
  bool init = true;  // false: the workload itself is PID 1

  bool readOnlyRoot = false;
  std::uint64_t storageSizeBytes = 0;  // of the writable layer; 0: as much as the disk has
  std::vector<Mount> mounts;
  std::vector<std::string> devices;  // host device paths, `--device`
  Network network = Network::none;
  UserNamespace userns = UserNamespace::host;
  bool usernsRequired = false;  // it was asked for: where there can be none, nothing starts
  std::uint32_t idBase = 0;     // on the host, of its 65,536 ids; 0: none yet, or the host's own
  std::string usernsFallback;   // why it has the host's ids and no user namespace, which it would have by default
  std::string cgroupParent = "/lightv";
  Limits limits;
  std::vector<Rlimit> rlimits;
  std::vector<std::string> capabilities;  // without CAP_, the final set
  bool noNewPrivileges = true;
  bool seccomp = true;
  bool landlock = true;  // where the kernel has it
  bool maskPaths = true;
  std::string seccompProfile;                  // the user's own, as JSON (core/seccomp_profile.hpp); empty: the default
  std::string appArmor;                        // profile, or "unconfined"; empty: the default, where the kernel has it
  std::map<std::string, std::string> sysctls;  // by key as given, "net.ipv4.ip_forward"
  std::int32_t oomScoreAdj = 0;
  std::uint64_t shmSizeBytes = 64U << 20;

  int stopSignal = 15;
  std::uint32_t stopTimeoutMs = 10000;
  RestartPolicy restart;
  LogOptions log;
  bool autoRemove = false;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;  // the engine's own and the agent's: app, revision
  std::vector<std::string> unknownKeys;            // of config.json: what a newer version wrote and this one leaves out

  bool operator==(const Spec&) const = default;
};

/**
 * Parses config.json. Wrong types and values out of range are errors that name the key. Unknown keys are none: an agent
 * over the air may be newer than the monitor that starts what it has made.
 */
Result<Spec> parseSpec(std::string_view json);
/** What to tell of them; empty when there are none. */
std::string unknownKeysWarning(const std::vector<std::string>& keys);

/** The same as JSON, without unknown keys; `parseSpec(toJson(s)) == s`. */
std::string toJson(const Spec& spec);

/** Parses the object `limits` of config.json alone, as strictly. What is absent is not limited. */
Result<Limits> parseLimits(std::string_view json);

}  // namespace lightv
