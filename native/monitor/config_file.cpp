#include "monitor/config_file.hpp"

#include "sys/directory_lock.hpp"
#include "sys/file.hpp"
#include "sys/json.hpp"

namespace lightv {

Result<Spec> readSpec(const std::string& path) {
  const Result<std::string> text = readFile(path);
  if (!text) return text.error();
  return parseSpec(*text);
}

Status rewriteConfig(const SandboxFiles& files, const std::function<Status(Spec&)>& change) {
  // Excludes others who read, change and rewrite it.
  const Result<Fd> lock = lockDirectory(files.directory());
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
