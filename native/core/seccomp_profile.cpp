#include "core/seccomp_profile.hpp"

#include <linux/seccomp.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>

#include "sys/json.hpp"

namespace lightv {
namespace {

constexpr std::uint64_t maxU64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t maxErrno = 4095;  // include/linux/err.h

const std::vector<std::string_view>& compareNames() {
  static const std::vector<std::string_view> names{"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                                                   "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};
  return names;
}

const std::vector<std::string_view>& actionNames() {
  static const std::vector<std::string_view> names{"SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",        "SCMP_ACT_KILL",
                                                   "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP",
                                                   "SCMP_ACT_TRACE",       "SCMP_ACT_LOG"};
  return names;
}
constexpr std::array<std::uint32_t, 8> actionValues{
    SECCOMP_RET_ALLOW,        SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP,  SECCOMP_RET_TRACE,       SECCOMP_RET_LOG};

/** libseccomp's names; what other machines have is no error. */
constexpr std::array<std::string_view, 22> otherArchitectures{
    "SCMP_ARCH_MIPS",        "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",   "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",     "SCMP_ARCH_PPC64",     "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",       "SCMP_ARCH_RISCV64", "SCMP_ARCH_PARISC",    "SCMP_ARCH_PARISC64", "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",        "SCMP_ARCH_SH",      "SCMP_ARCH_SHEB",      "SCMP_ARCH_X32",      "SCMP_ARCH_NATIVE",
    "SCMP_ARCH_ALPHA",       "SCMP_ARCH_SPARC64"};
/** By SyscallArch. */
constexpr std::array<std::string_view, 4> ourArchitectures{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64",
                                                           "SCMP_ARCH_ARM"};

/** "EPERM", as the profiles of Podman and its kin have beside the number. */
std::optional<std::uint32_t> errnoNamed(const std::string& name) {
  constexpr int last = 133;  // EHWPOISON
  for (int number = 1; number <= last; number++) {
    const char* known = ::strerrorname_np(number);
    if (known != nullptr && name == known) return static_cast<std::uint32_t>(number);
  }
  return std::nullopt;
}

struct ActionKeys {
  const char* action;
  const char* number;
  const char* name;
};

/** An action with its errno. runc: EPERM when none is said, and an error where an action has no use for one. */
std::uint32_t readAction(JsonReader& reader, const ActionKeys& keys) {
  reader.require(keys.action);
  std::string notify;
  reader.text(keys.action, notify);
  if (notify == "SCMP_ACT_NOTIFY") reader.fail(keys.action, "SCMP_ACT_NOTIFY is not supported: nobody would answer");
  std::size_t index = 0;
  reader.word(keys.action, index, actionNames());
  const std::uint32_t action = actionValues.at(std::min(index, actionValues.size() - 1));
  const bool takesErrno = action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE;
  std::uint32_t number = EPERM;
  reader.number(keys.number, number, 0U, maxErrno);
  std::string name;
  reader.text(keys.name, name);
  if (!name.empty()) {
    const std::optional<std::uint32_t> named = errnoNamed(name);
    if (!named) reader.fail(keys.name, "no error has this name");
    number = named.value_or(EPERM);
  }
  if (!takesErrno && reader.has(keys.number)) reader.fail(keys.number, "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only");
  return takesErrno ? action | number : action;
}

SeccompCondition readCondition(JsonReader& reader) {
  SeccompCondition condition;
  std::uint32_t index = 0;
  for (const char* key : {"index", "value", "op"}) reader.require(key);
  reader.number("index", index, 0U, 5U);
  condition.argument = index;
  reader.number("value", condition.value, std::uint64_t{0}, maxU64);
  reader.number("valueTwo", condition.valueTwo, std::uint64_t{0}, maxU64);
  reader.word("op", condition.compare, compareNames());
  return condition;
}

/** "4.8"; what comes behind a second dot does not count. */
std::optional<KernelVersion> parseKernel(std::string_view text) {
  KernelVersion version;
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  return minor.ec == std::errc() ? std::optional(version) : std::nullopt;
}

SeccompCircumstances readCircumstances(JsonReader reader) {
  SeccompCircumstances when;
  if (!reader.present()) return when;
  reader.texts("arches", when.architectures);
  std::vector<std::string> names;
  reader.texts("caps", names);
  const Result<CapabilitySet> set = capabilitySet(names);
  if (set) {
    when.capabilities = *set;
  } else {
    reader.fail("caps", "no capability is called " + set.error().detail);
  }
  std::string kernel;
  reader.text("minKernel", kernel);
  if (kernel.empty()) return when;
  when.minKernel = parseKernel(kernel);
  if (!when.minKernel) reader.fail("minKernel", "must be a version such as 4.8");
  return when;
}

SeccompRule readRule(JsonReader& reader) {
  SeccompRule rule;
  std::string single;
  reader.text("name", single);
  reader.texts("names", rule.names);
  reader.ignore("comment");
  if (reader.has("name") == reader.has("names")) reader.fail("names", "must be there, or name, and not both");
  if (!single.empty()) rule.names.push_back(std::move(single));
  rule.action = readAction(reader, {"action", "errnoRet", "errno"});
  for (JsonReader& entry : reader.objects("args")) rule.conditions.push_back(readCondition(entry));
  rule.includes = readCircumstances(reader.object("includes"));
  rule.excludes = readCircumstances(reader.object("excludes"));
  return rule;
}

/** Which architecture of ours; -1: another's. */
int architecture(JsonReader& reader, const char* key, const std::string& name) {
  const auto* ours = std::find(ourArchitectures.begin(), ourArchitectures.end(), name);
  if (ours != ourArchitectures.end()) return static_cast<int>(ours - ourArchitectures.begin());
  const auto* other = std::find(otherArchitectures.begin(), otherArchitectures.end(), name);
  if (other == otherArchitectures.end()) reader.fail(key, "no architecture is called \"" + name + "\"");
  return -1;
}

void addArchitecture(SeccompProfile& profile, int found, SyscallArch arch) {
  // The other entry that a kernel for this machine may have; x32's numbers stay unknown, whatever a profile says.
  const SyscallArch second = arch == SyscallArch::x86_64 ? SyscallArch::i386 : SyscallArch::arm;
  if (found == static_cast<int>(second) && profile.architectures.empty()) profile.architectures.push_back(second);
}

void readArchitectures(JsonReader& reader, SyscallArch arch, SeccompProfile& profile) {
  std::vector<std::string> names;
  reader.texts("architectures", names);
  for (const std::string& name : names) addArchitecture(profile, architecture(reader, "architectures", name), arch);
  std::vector<JsonReader> map = reader.objects("archMap");
  if (!names.empty() && !map.empty()) reader.fail("archMap", "excludes architectures");
  for (JsonReader& entry : map) {
    std::string name;
    std::vector<std::string> below;
    entry.require("architecture");
    entry.text("architecture", name);
    entry.texts("subArchitectures", below);
    const bool own = architecture(entry, "architecture", name) == static_cast<int>(arch);
    for (const std::string& sub : below) {
      const int found = architecture(entry, "subArchitectures", sub);
      if (own) addArchitecture(profile, found, arch);
    }
  }
}

unsigned readFlags(JsonReader& reader) {
  std::vector<std::string> names;
  reader.texts("flags", names);
  unsigned flags = 0;
  for (const std::string& name : names) {
    if (name == "SECCOMP_FILTER_FLAG_LOG") {
      flags |= SECCOMP_FILTER_FLAG_LOG;
    } else if (name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") {
      flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    } else if (name != "SECCOMP_FILTER_FLAG_TSYNC") {  // there is only one thread
      reader.fail("flags", "not supported: \"" + name + "\"");
    }
  }
  return flags;
}

}  // namespace

Result<SeccompProfile> parseSeccompProfile(std::string_view json, SyscallArch arch) {
  constexpr const char* what = "seccomp profile";
  if (json.size() > kMaxProfileBytes) {
    return Error{what, EFBIG, "it has more than " + std::to_string(kMaxProfileBytes) + " bytes"};
  }
  Result<JsonReader> reader = JsonReader::parse(json, what);
  if (!reader) {
    const std::string place = jsonErrorPlace(json);
    return place.empty() ? reader.error() : Error{what, EINVAL, "not JSON: " + place};
  }
  SeccompProfile profile;
  profile.defaultAction = readAction(*reader, {"defaultAction", "defaultErrnoRet", "defaultErrno"});
  readArchitectures(*reader, arch, profile);
  profile.flags = readFlags(*reader);
  reader->ignore("comment");
  for (JsonReader& entry : reader->objects("syscalls")) profile.rules.push_back(readRule(entry));
  if (Status finished = reader->finish(); !finished) return finished.error();
  return profile;
}

ProfileFacts profileFacts(CapabilitySet capabilities) {
  ProfileFacts facts;
#if defined(__aarch64__)
  facts.arch = SyscallArch::arm64;
#endif
  facts.capabilities = capabilities;
  utsname machine{};
  if (::uname(&machine) == 0) facts.kernel = parseKernel(machine.release).value_or(KernelVersion{});
  return facts;
}

Result<ProfileProgram> readSeccompProfile(std::string_view json, CapabilitySet capabilities) {
  const ProfileFacts facts = profileFacts(capabilities);
  const Result<SeccompProfile> profile = parseSeccompProfile(json, facts.arch);
  if (!profile) return profile.error();
  Result<std::vector<sock_filter>> code = compileProfile(*profile, facts);
  if (!code) return code.error();
  return ProfileProgram{std::move(*code), profile->flags};
}

}  // namespace lightv
