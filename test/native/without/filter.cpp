#include "filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467  // 6.15; the same number everywhere
#endif

namespace without {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

struct Feature {
  const char* name;
  Missing missing;
};

std::vector<Feature> features() {
  const Rule noClone3{SYS_clone3, How::always, ENOSYS};
  return {
      {"openat2", {{{SYS_openat2, How::always, ENOSYS}}}},  // before 5.6
      {"clone3", {{noClone3}}},                             // before 5.3
      // Idmapped mounts came with mount_setattr, 5.12.
      {"idmap", {{{SYS_mount_setattr, How::always, ENOSYS}, {SYS_open_tree_attr, How::always, ENOSYS}}}},
      // clone3 came with pidfds (5.2 and 5.3), and what clone(2) does not know it refuses.
      {"pidfd",
       {{noClone3,
         {SYS_pidfd_open, How::always, ENOSYS},
         {SYS_pidfd_send_signal, How::always, ENOSYS},
         {SYS_pidfd_getfd, How::always, ENOSYS},
         {SYS_clone, How::ifFlags, EINVAL, CLONE_PIDFD}}}},
      // CONFIG_USER_NS=n: EINVAL. clone3's flags are in memory.
      {"userns",
       {{{SYS_clone3, How::ask, EINVAL},
         {SYS_clone, How::ifFlags, EINVAL, CLONE_NEWUSER},
         {SYS_unshare, How::ifFlags, EINVAL, CLONE_NEWUSER}},
        true}},
      {"erofs-file", {{{SYS_fsconfig, How::ask, ENOTBLK}}, false, false, true}},  // before 6.12
      {"erofs", {{{SYS_fsopen, How::ask, ENODEV}}, false, true}},                 // CONFIG_EROFS_FS=n
  };
}

void add(std::vector<sock_filter>& program, std::uint16_t code, std::uint32_t k, std::uint8_t yes = 0,
         std::uint8_t no = 0) {
  program.push_back({code, yes, no, k});
}

void addRule(std::vector<sock_filter>& program, const Rule& rule) {
  const std::uint32_t refused = SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(rule.err) & SECCOMP_RET_DATA);
  if (rule.how == How::ifFlags) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, rule.call, 0, 4);
    add(program, BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args));  // the low half, on little endian
    add(program, BPF_JMP | BPF_JSET | BPF_K, rule.flags, 0, 1);
    add(program, BPF_RET | BPF_K, refused);
    add(program, BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    return;
  }
  add(program, BPF_JMP | BPF_JEQ | BPF_K, rule.call, 0, 1);
  add(program, BPF_RET | BPF_K, rule.how == How::ask ? SECCOMP_RET_USER_NOTIF : refused);
}

}  // namespace

bool addFeature(const std::string& name, Missing& missing) {
  for (const Feature& feature : features()) {
    if (name != feature.name) continue;
    missing.rules.insert(missing.rules.end(), feature.missing.rules.begin(), feature.missing.rules.end());
    missing.userNamespaces |= feature.missing.userNamespaces;
    missing.erofs |= feature.missing.erofs;
    missing.erofsFiles |= feature.missing.erofsFiles;
    return true;
  }
  return false;
}

std::vector<std::string> featureNames() {
  std::vector<std::string> names;
  for (const Feature& feature : features()) names.emplace_back(feature.name);
  return names;
}

std::vector<sock_filter> compile(const std::vector<Rule>& rules) {
  // Of two rules for one call the first that refuses wins: what is always refused goes before what is asked about.
  std::vector<Rule> ordered = rules;
  std::stable_sort(ordered.begin(), ordered.end(), [](const Rule& a, const Rule& b) { return a.how < b.how; });
  std::vector<sock_filter> program;
  add(program, BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  add(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  add(program, BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (const Rule& rule : ordered) addRule(program, rule);
  add(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  return program;
}

}  // namespace without
