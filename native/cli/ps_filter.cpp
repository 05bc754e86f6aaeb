#include "cli/ps_filter.hpp"

#include <algorithm>

#include "cli/create_options.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

constexpr const char* kKeys = "name, id, status, label, ancestor or exited";
constexpr const char* kStatuses = "created, running, paused, restarting or exited";

bool isStatus(const std::string& word) {
  for (const auto status : {SandboxStatus::created, SandboxStatus::running, SandboxStatus::paused,
                            SandboxStatus::restarting, SandboxStatus::exited}) {
    if (word == statusName(status)) return true;
  }
  return false;
}

bool hasLabel(const Spec& spec, const std::string& wanted) {
  const std::size_t equals = wanted.find('=');
  const auto found = spec.labels.find(wanted.substr(0, equals));
  return found != spec.labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

bool fromImage(const Spec& spec, const std::string& wanted) {
  const std::string_view digest =
      std::string_view(spec.imageDigest).substr(std::min<std::size_t>(7, spec.imageDigest.size()));
  constexpr std::size_t shortest = 12;
  return spec.imageName == wanted || spec.imageName == wanted + ":latest" || spec.imageDigest == wanted ||
         (wanted.size() >= shortest && digest.starts_with(wanted));
}

bool matchesOne(const SandboxInfo& info, const std::string& key, const std::string& value) {
  if (key == "name") return info.spec.name.find(value) != std::string::npos;
  if (key == "id") return info.spec.id.starts_with(value);
  if (key == "status") return value == statusName(info.status);
  if (key == "label") return hasLabel(info.spec, value);
  if (key == "ancestor") return fromImage(info.spec, value);
  return info.status == SandboxStatus::exited && info.exit && std::to_string(info.exit->exitCode) == value;
}

}  // namespace

Result<PsFilter> PsFilter::parse(const std::vector<std::string>& filters) {
  PsFilter parsed;
  for (const std::string& filter : filters) {
    const std::size_t equals = filter.find('=');
    const std::string key = filter.substr(0, equals);
    const bool known =
        key == "name" || key == "id" || key == "status" || key == "label" || key == "ancestor" || key == "exited";
    if (equals == std::string::npos || !known)
      return invalidValue("filter", filter, std::string("KEY=VALUE, KEY one of ") + kKeys);
    std::string value = filter.substr(equals + 1);
    if (key == "status" && !isStatus(value))
      return invalidValue("filter", filter, std::string("a status is ") + kStatuses);
    if (key == "exited" && !parseInteger<int>(value))
      return invalidValue("filter", filter, "exited takes an exit code");
    parsed.values_[key].push_back(std::move(value));
  }
  return parsed;
}

bool PsFilter::matches(const SandboxInfo& info) const {
  return std::all_of(values_.begin(), values_.end(), [&](const auto& entry) {
    const auto one = [&](const std::string& value) { return matchesOne(info, entry.first, value); };
    const auto& values = entry.second;
    return entry.first == "label" ? std::all_of(values.begin(), values.end(), one)
                                  : std::any_of(values.begin(), values.end(), one);
  });
}

}  // namespace lightv::cli
