#include "cli/process_row.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "sys/file.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

// Fields of /proc/PID/stat behind the command's name (proc_pid_stat(5)), counted from 0.
constexpr std::size_t kParent = 1, kTerminal = 4, kUserTime = 11, kSystemTime = 12, kStartTime = 19;
constexpr std::uint64_t kMinute = 60, kHour = 3600;

std::string twoDigits(std::uint64_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string terminalName(std::uint64_t device) {
  constexpr std::uint64_t firstPtyMajor = 136, lastPtyMajor = 143, minors = 256;
  const std::uint64_t major = (device >> 8) & 0xFFF;
  const std::uint64_t minor = (device & 0xFF) | ((device >> 12) & 0xFFF00);
  if (major < firstPtyMajor || major > lastPtyMajor) return "?";
  return "pts/" + std::to_string((major - firstPtyMajor) * minors + minor);
}

double uptime() {
  const Result<std::string> text = readFile("/proc/uptime");
  double seconds = 0;
  if (text) (void)std::sscanf(text->c_str(), "%lf", &seconds);  // NOLINT(cert-err34-c): 0 is the answer to nonsense
  return seconds;
}

std::string commandOf(const std::string& directory, std::string_view name) {
  const Result<std::string> text = readFile(directory + "/cmdline");
  std::string line = text ? *text : "";
  while (!line.empty() && line.back() == '\0') line.pop_back();
  if (line.empty()) return "[" + std::string(name) + "]";
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return line;
}

}  // namespace

std::optional<std::vector<std::string>> processRow(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  const Result<std::string> stat = readFile(directory + "/stat");
  const Result<std::string> status = readFile(directory + "/status");
  if (!stat || !status) return std::nullopt;
  // The name may hold blanks and brackets; the last bracket ends it.
  const std::size_t open = stat->find('('), close = stat->rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = split(trim(std::string_view(*stat).substr(close + 1)), ' ');
  if (fields.size() <= kStartTime) return std::nullopt;
  const auto number = [&](std::size_t field) { return parseInteger<std::uint64_t>(fields[field]).value_or(0); };
  const std::size_t uidAt = status->find("\nUid:\t");
  const std::string uid =
      uidAt == std::string::npos ? "?" : split(std::string_view(*status).substr(uidAt + 6), '\t', 2).front();

  const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::uint64_t cpu = (number(kUserTime) + number(kSystemTime)) / ticks;
  const double age = uptime() - static_cast<double>(number(kStartTime)) / static_cast<double>(ticks);
  constexpr double hundred = 100;
  const auto load = age >= 1 ? static_cast<std::uint64_t>(hundred * static_cast<double>(cpu) / age) : 0;
  const std::string started = formatTime({.seconds = wallNow().seconds - static_cast<std::int64_t>(age)});
  return std::vector<std::string>{
      uid,
      std::to_string(pid),
      fields[kParent],
      std::to_string(load),
      started.substr(11, 5),
      terminalName(number(kTerminal)),
      twoDigits(cpu / kHour) + ":" + twoDigits(cpu / kMinute % kMinute) + ":" + twoDigits(cpu % kMinute),
      commandOf(directory, std::string_view(*stat).substr(open + 1, close - open - 1))};
}

}  // namespace lightv::cli
