#include "pool/file_view.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <string>

namespace lightv {
namespace {

Result<FileView> viewIn(const std::string& process) {
  struct stat names {};
  struct stat root {};
  if (::stat((process + "/ns/mnt").c_str(), &names) < 0) return Error{"stat", errno, process + "/ns/mnt"};
  if (::stat((process + "/root").c_str(), &root) < 0) return Error{"stat", errno, process + "/root"};
  return FileView{names.st_dev, root.st_dev, names.st_ino, root.st_ino};
}

}  // namespace

Result<FileView> FileView::of(pid_t pid) {
  return viewIn("/proc/" + std::to_string(pid));
}

Result<FileView> FileView::own() {
  return viewIn("/proc/self");
}

}  // namespace lightv
