#include "image/unpacked.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "image/image.hpp"
#include "rootless/enter.hpp"
#include "sys/file.hpp"
#include "sys/hash.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

constexpr std::string_view kTemporary = ".unpacking-";

// A directory under way is locked by whoever fills it; a crash drops the lock and leaves the directory to the next.
void removeAbandoned(const std::string& unpackRoot) {
  const Result<std::vector<std::string>> names = listDir(unpackRoot);
  if (!names) return;
  for (const std::string& name : *names) {
    if (name.compare(0, kTemporary.size(), kTemporary) != 0) continue;
    std::string path = unpackRoot;
    path.append("/").append(name);
    const Result<Fd> fd = openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) (void)removeTree(path).ok();
  }
}

Result<Fd> makeLocked(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) < 0) return Error{"make directory", errno, path};
  Result<Fd> fd = openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return fd;
  struct stat info {};
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) < 0) return Error{"lock", errno, path};
  if (::fstat(fd->get(), &info) < 0 || info.st_nlink == 0) return Error{"lock", ENOENT, path};
  return fd;
}

// Between mkdir and flock another process may take the directory for abandoned: then a new one is made.
Result<Fd> makeTemporary(const std::string& unpackRoot, std::string& pathOut) {
  Result<Fd> made = Error{"make directory", EBUSY, unpackRoot};
  for (int attempt = 0; attempt < 16; attempt++) {
    unsigned long long random = 0;
    if (sys::randomBytes(&random, sizeof random) < 0) return Error{"getrandom", errno, unpackRoot};
    char suffix[24];
    (void)std::snprintf(suffix, sizeof suffix, "%016llx", random);
    pathOut = unpackRoot + "/" + std::string(kTemporary) + suffix;
    made = makeLocked(pathOut);
    if (made || (made.error().err != EWOULDBLOCK && made.error().err != ENOENT)) return made;
  }
  return made;
}

std::string treeOf(const std::string& unpackRoot, const std::string& digest) {
  return unpackRoot + "/sha256-" + digest.substr(7);
}

Status verify(int imageFd, const std::string& digest) {
  const Result<ImageInfo> image = verifyImage(imageFd);
  if (!image) return image.error();
  if (image->digest == digest) return {};
  return Error{"unpack image", EBADMSG, "its digest is " + image->digest + ", not " + digest, "", true};
}

Status fill(int imageFd, std::uint64_t erofsSize, int directory, const std::string& path, UnpackFor who) {
  if (Status unpacked = unpackErofs(imageFd, erofsSize, directory, who); !unpacked) return unpacked;
  if (::syncfs(directory) < 0) return Error{"sync", errno, path};
  return {};
}

}  // namespace

Result<std::string> ensureUnpacked(int imageFd, std::uint64_t erofsSize, const std::string& digest,
                                   const std::string& unpackRoot, UnpackFor who) {
  if (!isDigestText(digest))
    return Error{"unpack image", EINVAL, digest + ": must be sha256: and 64 hexadecimal digits"};
  std::string path = treeOf(unpackRoot, digest);
  if (exists(path)) return path;
  if (who == UnpackFor::user) {
    if (Status verified = verify(imageFd, digest); !verified) return verified.error();
  }
  if (Status made = makeDirs(unpackRoot); !made) return made.error();
  removeAbandoned(unpackRoot);
  std::string temporary;
  const Result<Fd> directory = makeTemporary(unpackRoot, temporary);
  if (!directory) return directory.error();
  Status status = fill(imageFd, erofsSize, directory->get(), temporary, who);
  // Renaming over a directory that is not empty fails: then another process has made the same tree meanwhile.
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) < 0) status = Error{"rename", errno, path};
  if (status.ok()) status = syncDir(unpackRoot);
  if (status.ok()) return path;
  (void)removeTree(temporary).ok();
  if (exists(path)) return path;
  return status.error();
}

Status removeUnpacked(const std::string& unpackRoot, const std::string& digest) {
  // By a name that removeAbandoned() knows: a power cut in the middle leaves no half of a tree to run from.
  const std::string gone = unpackRoot + "/" + std::string(kTemporary) + "gone-" + digest.substr(7);
  if (::rename(treeOf(unpackRoot, digest).c_str(), gone.c_str()) < 0 && errno != ENOENT && errno != ENOTEMPTY)
    return Error{"rename", errno, treeOf(unpackRoot, digest)};
  return removeTreeOfIds(gone);
}

}  // namespace lightv
