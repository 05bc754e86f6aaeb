#include "cli/describe.hpp"

#include "cli/units.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

std::string shortId(std::string_view id) {
  constexpr std::size_t length = 12;
  if (id.starts_with("sha256:")) id.remove_prefix(7);
  return std::string(id.substr(0, length));
}

std::string statusText(const SandboxInfo& info, std::int64_t now) {
  const auto up = [&] {
    const auto started = parseTime(info.startedAt);
    return "Up " + roughDuration(started ? now - started->seconds : 0);
  };
  const auto code = [&] { return "(" + std::to_string(info.exit ? info.exit->exitCode : 0) + ") "; };
  const auto since = [&] { return info.exit ? ago(info.exit->finishedAt, now) : "N/A"; };
  switch (info.status) {
    case SandboxStatus::running:
      return up();
    case SandboxStatus::paused:
      return up() + " (Paused)";
    case SandboxStatus::restarting:
      return "Restarting " + code() + since();
    case SandboxStatus::exited:
      return "Exited " + code() + since();
    case SandboxStatus::created:
      return "Created";
  }
  return "";
}

std::string commandLine(const Spec& spec) {
  return join(spec.args, " ");
}

std::string labelList(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    if (!text.empty()) text += ',';
    text.append(key).append("=").append(value);
  }
  return text;
}

}  // namespace lightv::cli
