#include "cli/create_options.hpp"

#include <unistd.h>

#include "sys/file.hpp"
#include "sys/text.hpp"

namespace lightv::cli {

namespace {

/** The lines of a file of KEY=VALUE; blank ones and those that begin with '#' are left out. */
Result<std::vector<std::string>> readPairs(const std::string& path, std::string_view flag) {
  const Result<std::string> text = readFile(path);
  if (!text) return text.error().wrap("read the file of --" + std::string(flag));
  std::vector<std::string> pairs;
  for (const std::string& line : split(*text, '\n')) {
    const std::string_view pair = trim(line);
    if (!pair.empty() && pair[0] != '#') pairs.emplace_back(pair);
  }
  return pairs;
}

const char* ownVariable(const std::string& name) {
  const std::string start = name + "=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with(start)) return *entry;
  }
  return nullptr;
}

/** KEY=VALUE as it is, KEY as our own environment has it. */
Status addVariable(Spec& spec, const std::string& pair) {
  const std::size_t equals = pair.find('=');
  if (pair.empty() || equals == 0) return invalidValue("env", pair, "KEY=VALUE, or KEY to pass on a variable");
  // A key alone that we don't have takes the image's away.
  const char* own = equals == std::string::npos ? ownVariable(pair) : nullptr;
  spec.env.push_back(own == nullptr ? pair : own);
  return {};
}

Status addLabel(Spec& spec, const std::string& pair) {
  const std::size_t equals = pair.find('=');
  if (pair.empty() || equals == 0) return invalidValue("label", pair, "KEY=VALUE or KEY");
  spec.labels[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
  return {};
}

using Take = Status (*)(Spec& spec, const std::string& pair);

/** Files first: a value on the command line wins over theirs. */
Status takePairs(Spec& spec, const std::vector<std::string>& files, std::string_view fileFlag,
                 const std::vector<std::string>& given, Take take) {
  for (const std::string& file : files) {
    const Result<std::vector<std::string>> pairs = readPairs(file, fileFlag);
    if (!pairs) return pairs.error();
    for (const std::string& pair : *pairs) {
      if (Status status = take(spec, pair); !status) return status.error().wrap(file);
    }
  }
  for (const std::string& pair : given) {
    if (Status status = take(spec, pair); !status) return status;
  }
  return {};
}

Status takeBudgets(CreateOptions& options) {
  Limits& limits = options.request.spec.limits;
  if (options.cpusMilli && limits.cpuQuotaUs) return Error{"--cpus and --cpu-quota say the same: give one of them"};
  constexpr std::uint64_t thousand = 1000;
  if (options.cpusMilli) limits.cpuQuotaUs = *options.cpusMilli * limits.cpuPeriodUs / thousand;
  if (!options.memorySwap) return {};
  if (!limits.memoryMax) return Error{"--memory-swap counts memory and swap together: give --memory too"};
  if (*options.memorySwap < *limits.memoryMax) {
    return Error{"--memory-swap counts memory and swap together: it must be at least --memory"};
  }
  limits.swapMax = *options.memorySwap - *limits.memoryMax;
  return {};
}

}  // namespace

Error invalidValue(std::string_view flag, std::string_view value, const std::string& wanted) {
  return Error{"invalid value \"" + std::string(value) + "\" for --" + std::string(flag) + ": " + wanted};
}

Status applyFlags(const Parsed& parsed, CreateOptions& options) {
  for (const auto& [flag, value] : parsed.values) {
    if (flag->apply == nullptr) continue;
    if (Status status = flag->apply(options, value); !status) return status;
  }
  Spec& spec = options.request.spec;
  Status status = takePairs(spec, options.envFiles, "env-file", options.env, addVariable);
  if (status) status = takePairs(spec, options.labelFiles, "label-file", options.labels, addLabel);
  if (status) status = takeBudgets(options);
  if (!status) return status;
  if (spec.autoRemove && spec.restart.when != RestartWhen::no)
    return Error{"--rm and --restart exclude each other: leave one of them out"};
  return {};
}

Result<CreateOptions> createOptions(const Parsed& parsed) {
  CreateOptions options;
  if (Status status = applyFlags(parsed, options); !status) return status.error();
  options.request.image = parsed.args[0];
  options.request.command.assign(parsed.args.begin() + 1, parsed.args.end());
  return options;
}

}  // namespace lightv::cli
