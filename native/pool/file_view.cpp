#include "pool/file_view.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace lightv {
namespace {

Result<FileView> viewIn(const std::string& process) {
  struct stat names {};
  struct stat root {};
  if (::stat((process + "/ns/mnt").c_str(), &names) < 0) return Error{"stat", errno, process + "/ns/mnt"};
  if (::stat((process + "/root").c_str(), &root) < 0) return Error{"stat", errno, process + "/root"};
  struct statx mount {};
  (void)::statx(AT_FDCWD, (process + "/root").c_str(), 0, STATX_MNT_ID, &mount);
  const std::uint64_t id = (mount.stx_mask & STATX_MNT_ID) != 0 ? mount.stx_mnt_id : 0;
  return FileView{names.st_dev, root.st_dev, names.st_ino, root.st_ino, id};
}

}  // namespace

Result<FileView> FileView::of(pid_t pid) {
  return viewIn("/proc/" + std::to_string(pid));
}

Result<FileView> FileView::own() {
  return viewIn("/proc/self");
}

bool leadsToTheSame(const std::string& path, pid_t pid) {
  struct stat ours {};
  struct stat his {};
  const std::string there = "/proc/" + std::to_string(pid) + "/root" + path;
  if (::stat(path.c_str(), &ours) < 0 || ::stat(there.c_str(), &his) < 0) return false;
  return ours.st_dev == his.st_dev && ours.st_ino == his.st_ino;
}

}  // namespace lightv
