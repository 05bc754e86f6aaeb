#include "sys/start_area.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv {
namespace {

// proc_pid_stat(5): arg_start, arg_end, env_start and env_end are fields 48 to 51. Field 3 is the first one behind the
// name, which may hold anything.
constexpr std::size_t kFirst = 48 - 3;

char* address(const std::string& field) {
  const std::uintptr_t number = parseInteger<std::uintptr_t>(field).value_or(0);
  return reinterpret_cast<char*>(number);  // NOLINT(performance-no-int-to-ptr): the kernel says where it lies
}

}  // namespace

StartArea StartArea::find() {
  // It stays where it is, in forks too.
  static const StartArea found = read();
  return found;
}

StartArea StartArea::read() {
  StartArea area;
  const Result<std::string> text = readFile("/proc/self/stat", 4096);
  if (!text) return area;
  const std::size_t name = text->rfind(") ");
  if (name == std::string::npos) return area;
  const std::vector<std::string> fields = split(trim(std::string_view(*text).substr(name + 2)), ' ');
  if (fields.size() < kFirst + 4) return area;
  area.arguments_ = address(fields[kFirst]);
  area.argumentsEnd_ = address(fields[kFirst + 1]);
  area.environment_ = address(fields[kFirst + 2]);
  area.environmentEnd_ = address(fields[kFirst + 3]);
  return area;
}

// The last byte stays zero, else the kernel would take what follows for a part of it (fs/proc/base.c, get_mm_cmdline).
void StartArea::setTitle(std::string_view title) const {
  if (arguments_ == nullptr || argumentsEnd_ <= arguments_) return;
  const auto size = static_cast<std::size_t>(argumentsEnd_ - arguments_);
  std::memset(arguments_, 0, size);
  std::memcpy(arguments_, title.data(), std::min(title.size(), size - 1));
}

void StartArea::wipeEnvironment() const {
  if (environment_ == nullptr || environmentEnd_ <= environment_) return;
  std::memset(environment_, 0, static_cast<std::size_t>(environmentEnd_ - environment_));
}

}  // namespace lightv
