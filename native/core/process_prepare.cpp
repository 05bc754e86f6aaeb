#include <algorithm>
#include <array>
#include <cerrno>

#include "core/process.hpp"
#include "core/seccomp.hpp"
#include "core/seccomp_profile.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

constexpr const char* defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string* findVariable(std::vector<std::string>& env, std::string_view name) {
  for (std::string& entry : env) {
    if (entry.size() > name.size() && entry.compare(0, name.size(), name) == 0 && entry[name.size()] == '=') {
      return &entry;
    }
  }
  return nullptr;
}

void setDefault(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  if (findVariable(env, name) == nullptr) env.push_back(name + "=" + value);
}

/** Where execvp(3) would look, by the sandbox's own PATH. An empty part would mean the working directory: left out. */
std::vector<std::string> candidatesFor(const std::string& command, std::vector<std::string>& env) {
  if (command.find('/') != std::string::npos) return {command};
  std::vector<std::string> paths;
  const std::string* variable = findVariable(env, "PATH");
  for (const std::string& part : split(variable == nullptr ? defaultPath : variable->substr(5), ':')) {
    if (!part.empty()) paths.push_back(std::string(part).append("/").append(command));
  }
  return paths;
}

void pointInto(std::vector<std::string>& texts, std::vector<char*>& pointers) {
  pointers.clear();
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
}

Status addLimits(const Spec& spec, Process& process) {
  for (const Rlimit& limit : spec.rlimits) {
    const int number = rlimitNumber(limit.name);
    if (number < 0) return Error{"ulimit", EINVAL, "\"" + limit.name + "\"", "names are those of prlimit(1)"};
    process.limits.push_back({number, {limit.soft, limit.hard}, limit.name});
  }
  return {};
}

Status addFilter(Process& process, const std::string& profile) {
  if (!profile.empty()) {
    Result<ProfileProgram> own = readSeccompProfile(profile, process.capabilities);
    if (!own) return own.error();
    process.ownFilter = std::move(own->code);
    process.filterFlags = own->flags;
  }
  const bool isOwn = !process.ownFilter.empty();
  const std::vector<sock_filter>& program = isOwn ? process.ownFilter : seccompProgram(process.capabilities);
  // The kernel only reads it; its struct has no const.
  process.filter.filter = const_cast<sock_filter*>(program.data());
  process.filter.len = static_cast<unsigned short>(program.size());
  return {};
}

Result<Process> finish(Process process) {
  if (process.args.empty() || process.args[0].empty()) {
    return Error{"exec", EINVAL, "no command", "give one, or use an image that has one"};
  }
  if (process.terminal) setDefault(process.env, "TERM", "xterm");
  setDefault(process.env, "PATH", defaultPath);
  setDefault(process.env, "HOME", process.user.home);
  process.candidates = candidatesFor(process.args[0], process.env);
  layOut(process);
  return process;
}

}  // namespace

void layOut(Process& process) {
  pointInto(process.args, process.argv);
  pointInto(process.env, process.envp);
}

int rlimitNumber(const std::string& name) {
  struct Name {
    const char* name;
    int number;
  };
  static constexpr std::array<Name, 16> names{{{"as", RLIMIT_AS},
                                               {"core", RLIMIT_CORE},
                                               {"cpu", RLIMIT_CPU},
                                               {"data", RLIMIT_DATA},
                                               {"fsize", RLIMIT_FSIZE},
                                               {"locks", RLIMIT_LOCKS},
                                               {"memlock", RLIMIT_MEMLOCK},
                                               {"msgqueue", RLIMIT_MSGQUEUE},
                                               {"nice", RLIMIT_NICE},
                                               {"nofile", RLIMIT_NOFILE},
                                               {"nproc", RLIMIT_NPROC},
                                               {"rss", RLIMIT_RSS},
                                               {"rtprio", RLIMIT_RTPRIO},
                                               {"rttime", RLIMIT_RTTIME},
                                               {"sigpending", RLIMIT_SIGPENDING},
                                               {"stack", RLIMIT_STACK}}};
  const auto* found = std::find_if(names.begin(), names.end(), [&](const Name& entry) { return name == entry.name; });
  return found == names.end() ? -1 : found->number;
}

Result<Process> prepareProcess(const Spec& spec, const UserIds& user, const Stdio& stdio) {
  Process process;
  process.args = spec.args;
  process.env = spec.env;
  process.cwd = spec.cwd;
  process.user = user;
  process.noNewPrivileges = spec.noNewPrivileges;
  process.oomScoreAdj = spec.oomScoreAdj;
  process.terminal = spec.terminal;
  process.stdio = stdio;
  process.keyring = "lightv-" + spec.id;
  const Result<CapabilitySet> set = capabilitySet(spec.capabilities);
  if (!set) return set.error();
  process.capabilities = *set;
  if (Status added = addLimits(spec, process); !added) return added.error();
  process.landlock = landlockRules(spec, LandlockFor::workload);
  Result<AppArmorChange> change = prepareAppArmor(spec);
  if (!change) return change.error();
  process.appArmor = std::move(*change);
  if (spec.seccomp) {
    if (Status added = addFilter(process, spec.seccompProfile); !added) return added.error();
  }
  // Docker: HOSTNAME is always there.
  if (!spec.hostname.empty()) setDefault(process.env, "HOSTNAME", spec.hostname);
  return finish(std::move(process));
}

Result<Process> prepareExec(const Spec& spec, const ExecSpec& exec, const UserIds& user, const Stdio& stdio) {
  Spec merged = spec;
  merged.args = exec.args;
  merged.env = exec.env;
  merged.cwd = exec.cwd.empty() ? spec.cwd : exec.cwd;
  merged.terminal = exec.terminal;
  if (exec.privileged) {
    merged.landlock = false;
    merged.appArmor = kAppArmorUnconfined;
    merged.seccomp = false;
    merged.seccompProfile.clear();
    merged.capabilities.assign(capabilityNames().begin(), capabilityNames().end());
  }
  Result<Process> process = prepareProcess(merged, user, stdio);
  if (process) process->landlock = landlockRules(merged, LandlockFor::exec);
  return process;
}

}  // namespace lightv
