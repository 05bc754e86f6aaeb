#include "monitor/id_ranges.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "monitor/lock.hpp"
#include "sys/directory_lock.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace lightv {
namespace {

std::string directoryOf(const Paths& paths) {
  return paths.root + "/ids";
}
std::string linkOf(const Paths& paths, std::uint32_t base) {
  return directoryOf(paths) + "/" + std::to_string(base);
}

/** Who has it; empty: nobody. */
std::string ownerOf(const std::string& link) {
  char target[NAME_MAX + 1];
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  return length <= 0 ? std::string() : std::string(target, static_cast<std::size_t>(length));
}

/** For taking links away; making one needs no lock. */
Result<Fd> lockIds(const Paths& paths) {
  return lockDirectory(directoryOf(paths));
}

/** It is being made, is there, or something of it may still run: what is left of one the sweep clears first. */
bool isThere(const Paths& paths, const std::string& id) {
  const SandboxFiles files(paths, id);
  const Result<LockState> holder = whoHolds(files);
  if (!holder || holder->holder != Holder::nobody) return true;
  return exists(files.newDirectory()) || exists(files.directory()) || exists(files.goneDirectory());
}

/** 0: every one has an owner. */
Result<std::uint32_t> tryClaim(const SandboxFiles& files, const std::vector<std::uint32_t>& bases, std::size_t first) {
  for (std::size_t i = 0; i < bases.size(); i++) {
    const std::uint32_t base = bases[(first + i) % bases.size()];
    const std::string link = linkOf(files.paths(), base);
    if (symlink(files.id().c_str(), link.c_str()) == 0) return base;
    if (errno != EEXIST) return Error{"symlink", errno, link};
    // Claimed before, and then not noted.
    if (ownerOf(link) == files.id()) return base;
  }
  return 0U;
}

/** Where to begin: spread by the id, so that a search is short. */
std::size_t placeOf(const std::string& id) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

Result<std::uint32_t> claimIds(const SandboxFiles& files, const std::vector<std::uint32_t>& bases,
                               std::uint32_t wanted) {
  if (Status made = makeDirs(directoryOf(files.paths())); !made) return made.error();
  const auto found = std::find(bases.begin(), bases.end(), wanted);
  if (found != bases.end() && ownsIds(files, wanted)) return wanted;
  const std::size_t first =
      found != bases.end() ? static_cast<std::size_t>(found - bases.begin()) : placeOf(files.id());
  Result<std::uint32_t> claimed = tryClaim(files, bases, first);
  if (claimed && *claimed == 0 && sweepIds(files.paths(), files.id()) > 0) claimed = tryClaim(files, bases, first);
  if (!claimed || *claimed != 0) return claimed;
  return Error{"claim a range of ids", EUSERS, std::to_string(bases.size()) + " ranges of 65,536",
               "give lightv more in /etc/subuid and /etc/subgid, or use --userns host"};
}

bool ownsIds(const SandboxFiles& files, std::uint32_t base) {
  return base != 0 && ownerOf(linkOf(files.paths(), base)) == files.id();
}

void releaseIds(const SandboxFiles& files, std::uint32_t base) {
  if (!ownsIds(files, base)) return;
  const Result<Fd> lock = lockIds(files.paths());
  if (lock && ownsIds(files, base)) (void)unlink(linkOf(files.paths(), base).c_str());
}

unsigned sweepIds(const Paths& paths, std::string_view except) {
  const Result<Fd> lock = lockIds(paths);
  const Result<std::vector<std::string>> names = lock ? listDir(directoryOf(paths)) : lock.error();
  if (!lock || !names) return 0;
  unsigned freed = 0;
  for (const std::string& name : *names) {
    const std::string link = directoryOf(paths).append("/").append(name);
    const std::string owner = ownerOf(link);
    if (!owner.empty() && owner != except && !isThere(paths, owner) && unlink(link.c_str()) == 0) freed++;
  }
  return freed;
}

}  // namespace lightv
