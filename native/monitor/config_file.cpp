#include "monitor/config_file.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {
namespace {

/** Excludes others who read, change and rewrite the same configuration. */
Result<Fd> lockConfig(const SandboxFiles& files) {
  Result<Fd> fd = openFile(files.directory(), O_RDONLY | O_DIRECTORY);
  if (!fd) return fd;
  while (flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Error{"lock", errno, files.directory()};
  }
  return fd;
}

}  // namespace

Status rewriteConfig(const SandboxFiles& files, const std::function<Status(Spec&)>& change) {
  const Result<Fd> lock = lockConfig(files);
  if (!lock) return lock.error();
  const Result<std::string> text = readFile(files.config());
  if (!text) return text.error();
  Result<Spec> spec = parseSpec(*text);
  if (!spec) return spec.error();
  const std::string before = toJson(*spec);
  if (Status changed = change(*spec); !changed) return changed;
  // A newer version that comes back counts on what it wrote.
  const std::string after = spec->unknownKeys.empty() ? toJson(*spec) : keepUnknown(toJson(*spec), *text, before);
  return writeFileAtomic(files.config(), after, 0600, Durable::yes);
}

}  // namespace lightv
