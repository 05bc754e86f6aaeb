#include "cli/create_options.hpp"
#include "cli/output.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

using View = std::string_view;

template <class T>
Status add(T& list, View value) {
  list.emplace_back(value);
  return {};
}

Status set(std::string& into, View value) {
  into = value;
  return {};
}

Spec& specOf(CreateOptions& options) {
  return options.request.spec;
}

Status setStopSignal(CreateOptions& options, View value) {
  specOf(options).stopSignal = parseSignal(value);
  options.request.stopSignalGiven = true;
  if (specOf(options).stopSignal == 0)
    return invalidValue("stop-signal", value, "a signal's name or number, such as TERM");
  return {};
}

Status setStopTimeout(CreateOptions& options, View value) {
  const auto seconds = parseInteger<std::uint32_t>(value);
  if (!seconds || *seconds > 86400) return invalidValue("stop-timeout", value, "seconds, 0 to 86400");
  specOf(options).stopTimeoutMs = *seconds * 1000;
  return {};
}

Status setEntrypoint(CreateOptions& options, View value) {
  // An empty one takes the image's away, as in Docker.
  options.request.entrypoint.emplace();
  if (!value.empty()) options.request.entrypoint->emplace_back(value);
  return {};
}

Status setNetwork(CreateOptions& options, View value) {
  if (value != "none" && value != "host") return invalidValue("network", value, "none or host");
  specOf(options).network = value == "host" ? Network::host : Network::none;
  return {};
}

Status setUserns(CreateOptions& options, View value) {
  if (value != "host" && value != "auto") return invalidValue("userns", value, "host or auto");
  options.request.usernsGiven = true;
  specOf(options).userns = value == "auto" ? UserNamespace::automatic : UserNamespace::host;
  return {};
}

Status setOomScore(CreateOptions& options, View value) {
  const auto score = parseInteger<std::int32_t>(value);
  if (!score || *score < -1000 || *score > 1000) return invalidValue("oom-score-adj", value, "-1000 to 1000");
  specOf(options).oomScoreAdj = *score;
  return {};
}

Status setLogDriver(CreateOptions& options, View value) {
  if (value != "none" && value != "cri") return invalidValue("log-driver", value, "cri or none");
  specOf(options).log.enabled = value == "cri";
  return {};
}

Status setCgroupParent(CreateOptions& options, View value) {
  const bool climbs = View(value).find("..") != View::npos;
  if (!value.starts_with('/') || value.size() < 2 || climbs)
    return invalidValue("cgroup-parent", value, "an absolute path, such as /lightv");
  options.request.cgroupParentGiven = true;
  return set(specOf(options).cgroupParent, value);
}

Status setHostname(CreateOptions& options, View value) {
  constexpr std::size_t longest = 64;  // HOST_NAME_MAX of Linux
  const bool valid =
      !value.empty() && value.size() <= longest &&
      value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == View::npos;
  if (!valid) return invalidValue("hostname", value, "at most 64 letters, digits, '-' and '.'");
  options.request.hostnameGiven = true;
  return set(specOf(options).hostname, value);
}

Status setWorkdir(CreateOptions& options, View value) {
  if (!value.starts_with('/')) return invalidValue("workdir", value, "an absolute path");
  options.request.workdirGiven = true;
  return set(specOf(options).cwd, value);
}

Status addDevice(CreateOptions& options, View value) {
  if (!value.starts_with("/dev/") || value.find(':') != View::npos) {
    return invalidValue("device", value, "the path of a device, such as /dev/ttyS0; it has the same path inside");
  }
  return add(specOf(options).devices, value);
}

constexpr Flag kCreateFlags[] = {
    {.name = "name",
     .value = "NAME",
     .help = "Name of the sandbox",
     .apply = [](CreateOptions& o, View v) { return set(specOf(o).name, v); }},
    {.name = "interactive",
     .letter = 'i',
     .help = "Keep its standard input open",
     .apply = [](CreateOptions& o, View v) -> Status {
       specOf(o).openStdin = v == "true";
       return {};
     }},
    {.name = "tty",
     .letter = 't',
     .help = "Give it a terminal",
     .apply = [](CreateOptions& o, View v) -> Status {
       specOf(o).terminal = v == "true";
       return {};
     }},
    {.name = "env",
     .letter = 'e',
     .value = "KEY[=VALUE]",
     .help = "Set a variable; without a value, pass ours on",
     .apply = [](CreateOptions& o, View v) { return add(o.env, v); }},
    {.name = "env-file",
     .value = "FILE",
     .help = "Set variables from a file of KEY=VALUE lines",
     .offer = Offer::file,
     .apply = [](CreateOptions& o, View v) { return add(o.envFiles, v); }},
    {.name = "workdir", .letter = 'w', .value = "PATH", .help = "Directory to start in", .apply = setWorkdir},
    {.name = "user",
     .letter = 'u',
     .value = "USER[:GROUP]",
     .help = "User and group to be, by name or number",
     .apply =
         [](CreateOptions& o, View v) {
           o.request.userGiven = true;
           return set(specOf(o).user, v);
         }},
    {.name = "group-add",
     .value = "GROUP",
     .help = "One more group to be in",
     .apply = [](CreateOptions& o, View v) { return add(specOf(o).groupAdd, v); }},
    {.name = "entrypoint", .value = "PROGRAM", .help = "Program to run instead of the image's", .apply = setEntrypoint},
    {.name = "hostname", .letter = 'h', .value = "NAME", .help = "Its host name", .apply = setHostname},
    {.name = "init",
     .help = "Run an init that reaps and forwards signals (true)",
     .apply = [](CreateOptions& o, View v) -> Status {
       specOf(o).init = v == "true";
       return {};
     }},
    {.name = "rm",
     .help = "Remove the sandbox when it has ended",
     .apply = [](CreateOptions& o, View v) -> Status {
       specOf(o).autoRemove = v == "true";
       return {};
     }},
    {.name = "stop-signal", .value = "SIGNAL", .help = "Signal that asks it to end (TERM)", .apply = setStopSignal},
    {.name = "stop-timeout",
     .value = "SECONDS",
     .help = "Patience between that signal and SIGKILL (10)",
     .apply = setStopTimeout},
    {.name = "volume",
     .letter = 'v',
     .value = "SOURCE:TARGET[:ro]",
     .help = "Bind a host path, or a volume by its name",
     .offer = Offer::file,
     .apply = [](CreateOptions& o, View v) { return addVolume(specOf(o), v); }},
    {.name = "mount",
     .value = "KEY=VALUE,...",
     .help = "Mount: type=bind|volume|tmpfs,source=…,target=…[,readonly]",
     .apply = [](CreateOptions& o, View v) { return addMount(specOf(o), v); }},
    {.name = "tmpfs",
     .value = "PATH[:OPTIONS]",
     .help = "Mount a tmpfs (options size=…,mode=…,ro)",
     .apply = [](CreateOptions& o, View v) { return addTmpfs(specOf(o), v); }},
    {.name = "read-only",
     .help = "No writable layer above the image",
     .apply = [](CreateOptions& o, View v) -> Status {
       specOf(o).readOnlyRoot = v == "true";
       return {};
     }},
    {.name = "shm-size",
     .value = "BYTES",
     .help = "Size of /dev/shm (64m)",
     .apply = [](CreateOptions& o, View v) { return setShmSize(specOf(o), v); }},
    {.name = "device",
     .value = "PATH",
     .help = "Let it use a device of the host",
     .offer = Offer::file,
     .apply = addDevice},
    {.name = "network",
     .value = "MODE",
     .help = "none (loopback alone) or host",
     .words = "none host",
     .apply = setNetwork},
    {.name = "userns",
     .value = "MODE",
     .help = "auto (its root is nobody outside) or host; default: auto where the kernel can",
     .words = "host auto",
     .apply = setUserns},
    {.name = "cap-add",
     .value = "CAPABILITY",
     .help = "Give it a capability, or ALL",
     .apply = [](CreateOptions& o, View v) { return add(o.request.capAdd, v); }},
    {.name = "cap-drop",
     .value = "CAPABILITY",
     .help = "Take a capability, or ALL",
     .apply = [](CreateOptions& o, View v) { return add(o.request.capDrop, v); }},
    {.name = "privileged",
     .help = "All capabilities and devices, no seccomp filter, nothing masked",
     .apply = [](CreateOptions& o, View v) -> Status {
       o.request.privileged = v == "true";
       return {};
     }},
    {.name = "security-opt",
     .value = "OPTION",
     .help = "seccomp=FILE|unconfined, apparmor=PROFILE|unconfined, landlock=off, no-new-privileges=false, "
             "systempaths=unconfined",
     .words = "seccomp= seccomp=unconfined apparmor= apparmor=unconfined no-new-privileges=false "
              "no-new-privileges=true landlock=off systempaths=unconfined",
     .apply = [](CreateOptions& o, View v) { return addSecurityOption(specOf(o), v); }},
    {.name = "sysctl",
     .value = "KEY=VALUE",
     .help = "A kernel setting of its own namespaces (net.ipv4.ip_forward=1)",
     .apply = [](CreateOptions& o, View v) { return addSysctl(specOf(o), v); }},
    {.name = "oom-score-adj",
     .value = "NUMBER",
     .help = "How soon it dies when memory is out, -1000 to 1000",
     .apply = setOomScore},
    {.name = "log-driver",
     .value = "DRIVER",
     .help = "cri (files), or none",
     .words = "cri none",
     .apply = setLogDriver},
    {.name = "label",
     .letter = 'l',
     .value = "KEY[=VALUE]",
     .help = "Put a label on it",
     .apply = [](CreateOptions& o, View v) { return add(o.labels, v); }},
    {.name = "label-file",
     .value = "FILE",
     .help = "Labels from a file of KEY=VALUE lines",
     .offer = Offer::file,
     .apply = [](CreateOptions& o, View v) { return add(o.labelFiles, v); }},
    {.name = "cgroup-parent",
     .value = "PATH",
     .help = "Group that holds its cgroup (/lightv)",
     .apply = setCgroupParent},
    {.name = "cidfile", .value = "FILE", .help = "Write its id into a new file", .offer = Offer::file},
};

}  // namespace

std::span<const Flag> createFlags() {
  return kCreateFlags;
}

}  // namespace lightv::cli
