#include <sys/utsname.h>

#include "cli/output.hpp"
#include "cli/template.hpp"
#include "cli/verbs.hpp"
#include "sys/json.hpp"
#include "version.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kVersionFlags[] = {
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "json, or a template such as '{{.Version}}'",
     .words = "json"},
};

int runVersion(const Engine& /*engine*/, const Parsed& parsed) {
  utsname machine{};
  (void)::uname(&machine);
  const std::string format = parsed.text("format");
  if (format.empty()) {
    print(std::string("Version:       ") + LIGHTV_VERSION + "\nImage format:  1.0\nOS/Arch:       linux/" +
          machine.machine + "\nKernel:        " + machine.release + "\n");
    return 0;
  }
  JsonWriter json;
  json.beginObject().member("Version", LIGHTV_VERSION).member("ImageFormat", "1.0").member("Os", "linux");
  json.member("Arch", static_cast<const char*>(machine.machine))
      .member("KernelVersion", static_cast<const char*>(machine.release))
      .endObject();
  const Result<std::string> text =
      format == "json" ? Result<std::string>(json.text()) : renderTemplate(format, json.text());
  if (!text) return fail(parsed, text.error());
  print(*text + "\n");
  return 0;
}

}  // namespace

constinit const Verb kVersion = {.name = "version",
                                 .group = Group::other,
                                 .usage = "[OPTIONS]",
                                 .summary = "Show the version",
                                 .flags = [] { return FlagTables{kVersionFlags}; },
                                 .run = runVersion};

}  // namespace lightv::cli
