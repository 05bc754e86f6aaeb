#include "monitor/host_ids.hpp"

#include <fcntl.h>

#include <cerrno>

#include "core/user_namespace.hpp"
#include "monitor/config_file.hpp"
#include "monitor/id_area.hpp"
#include "monitor/id_guard.hpp"
#include "monitor/id_ranges.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

bool hasUserNamespace(const Spec& spec) {
  return spec.userns == UserNamespace::automatic;
}

/** A range that `accepts` takes. */
template <class Accepts>
Status giveAccepted(const SandboxFiles& files, Spec& spec, Accepts accepts) {
  if (!hasUserNamespace(spec)) return {};
  std::vector<std::uint32_t> bases = idBases(readIdFiles());
  while (true) {
    const Result<std::uint32_t> base = claimIds(files, bases, spec.idBase);
    if (!base && (base.error().err != EUSERS || spec.usernsRequired)) return base.error();
    if (!base) {
      takeHostIds(spec, base.error());
      return {};
    }
    spec.idBase = *base;
    if (accepts(*base)) return {};
    releaseIds(files, *base);
    std::erase(bases, *base);
  }
}

}  // namespace

Status giveIds(const SandboxFiles& files, Spec& spec) {
  return giveAccepted(files, spec, [](std::uint32_t) { return true; });
}

Status giveIds(const SandboxFiles& files, Spec& spec, Fd& guard) {
  return giveAccepted(files, spec, [&guard](std::uint32_t base) { return guardIds(base, guard); });
}

Status keepIds(const SandboxFiles& files, Spec& spec, Fd& guard, bool hasLayer) {
  if (!hasUserNamespace(spec)) return {};
  if (ownsIds(files, spec.idBase) && guardIds(spec.idBase, guard)) return {};
  if (Status given = giveIds(files, spec, guard); !given) return given;
  // A layer that was made in a user namespace stays of that kind: for this run only.
  if (!hasUserNamespace(spec)) return hasLayer ? Status() : keepHostIds(files, spec);
  return rewriteConfig(files, [&](Spec& kept) -> Status {
    kept.idBase = spec.idBase;
    return {};
  });
}

bool mayTakeHostIds(const Spec& spec, const Error& error) {
  return hasUserNamespace(spec) && !spec.usernsRequired && isAboutUserNamespace(error);
}

void takeHostIds(Spec& spec, const Error& why) {
  spec.userns = UserNamespace::host;
  spec.idBase = 0;
  spec.usernsFallback = why.message();
}

Status keepHostIds(const SandboxFiles& files, const Spec& spec) {
  std::uint32_t before = 0;
  Status written = rewriteConfig(files, [&](Spec& kept) -> Status {
    before = kept.idBase;
    kept.userns = spec.userns;
    kept.idBase = spec.idBase;
    kept.usernsFallback = spec.usernsFallback;
    return {};
  });
  if (written) releaseIds(files, before);
  return written;
}

void warnOfHostIds(const Paths& paths, const Spec& spec, bool keeps, std::vector<std::string>& warnings) {
  if (spec.usernsFallback.empty()) return;
  const std::string mark = paths.run + "/host-ids";
  const Fd first(open(mark.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!keeps || first || errno != EEXIST) warnings.push_back("its root is the host's root: " + spec.usernsFallback);
}

}  // namespace lightv
