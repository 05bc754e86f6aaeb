#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/output.hpp"
#include "cli/template.hpp"
#include "cli/verbs.hpp"
#include "core/apparmor.hpp"
#include "core/landlock.hpp"
#include "engine/rootless_report.hpp"
#include "sys/file.hpp"
#include "sys/json.hpp"
#include "sys/text.hpp"
#include "version.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kInfoFlags[] = {
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "json, or a template such as '{{.SandboxesRunning}}'",
     .words = "json"},
};

struct Counts {
  unsigned all = 0, running = 0, paused = 0, stopped = 0;
};

Counts countSandboxes(const std::vector<SandboxInfo>& infos) {
  Counts counts;
  for (const SandboxInfo& info : infos) {
    ++counts.all;
    const bool runs = info.status == SandboxStatus::running || info.status == SandboxStatus::restarting;
    ++(info.status == SandboxStatus::paused ? counts.paused : runs ? counts.running : counts.stopped);
  }
  return counts;
}

/** What is mounted where it is mounted everywhere. */
std::string cgroupVersion() {
  if (exists("/sys/fs/cgroup/cgroup.controllers")) return "v2";
  return exists("/sys/fs/cgroup/unified/cgroup.controllers") ? "hybrid" : "v1";
}

bool knowsFileSystem(std::string_view name) {
  const Result<std::string> text = readFile("/proc/filesystems");
  if (!text) return false;
  for (const std::string& line : split(*text, '\n')) {
    if (line.ends_with("\t" + std::string(name))) return true;
  }
  return false;
}

std::string appArmorState() {
  if (!hasAppArmor()) return "no";
  const std::string name(kDefaultAppArmorProfile);
  return isProfileLoaded(name) ? name : name + " is not loaded";
}

Result<std::string> collect(const Engine& engine) {
  const Result<std::vector<SandboxInfo>> infos = engine.list();
  if (!infos) return infos.error();
  const Result<std::vector<std::string>> images = engine.images().digests();
  if (!images) return images.error();
  const Counts counts = countSandboxes(*infos);
  utsname machine{};
  (void)::uname(&machine);
  struct sysinfo memory {};
  (void)::sysinfo(&memory);
  JsonWriter json;
  json.beginObject().member("Sandboxes", counts.all).member("SandboxesRunning", counts.running);
  json.member("SandboxesPaused", counts.paused)
      .member("SandboxesStopped", counts.stopped)
      .member("Images", images->size());
  json.member("ServerVersion", LIGHTV_VERSION).member("KernelVersion", static_cast<const char*>(machine.release));
  json.member("Architecture", static_cast<const char*>(machine.machine))
      .member("Name", static_cast<const char*>(machine.nodename));
  json.member("NCPU", ::sysconf(_SC_NPROCESSORS_ONLN))
      .member("MemTotal", static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit);
  json.member("CgroupVersion", cgroupVersion())
      .member("Erofs", knowsFileSystem("erofs"))
      .member("Overlay", knowsFileSystem("overlay"))
      .member("Landlock", landlockAbi())
      .member("AppArmor", appArmorState());
  json.member("Rootless", engine.paths().rootless)
      .member("Missing", engine.paths().rootless ? whatUserLacks(engine.paths()) : std::vector<std::string>());
  json.member("Root", engine.paths().root).member("RunRoot", engine.paths().run);
  return json.endObject().text();
}

constexpr const char* kText =
    "Sandboxes:     {{.Sandboxes}}\n Running:      {{.SandboxesRunning}}\n Paused:       {{.SandboxesPaused}}\n"
    " Stopped:      {{.SandboxesStopped}}\nImages:        {{.Images}}\nVersion:       {{.ServerVersion}}\n"
    "Kernel:        {{.KernelVersion}}\nArchitecture:  {{.Architecture}}\nName:          {{.Name}}\nCPUs:          "
    "{{.NCPU}}\n"
    "Memory:        {{.MemTotal}}\nCgroups:       {{.CgroupVersion}}\nEROFS:         {{.Erofs}}\nOverlay:       "
    "{{.Overlay}}\nLandlock:      {{if .Landlock}}version {{.Landlock}}{{else}}no{{end}}\n"
    "AppArmor:      {{.AppArmor}}\n"
    "Rootless:      {{.Rootless}}{{range .Missing}}\n Missing:      {{.}}{{end}}\n"
    "Root:          {{.Root}}\nRun root:      {{.RunRoot}}";

int runInfo(const Engine& engine, const Parsed& parsed) {
  const Result<std::string> json = collect(engine);
  if (!json) return fail(parsed, json.error());
  const std::string format = parsed.text("format");
  const Result<std::string> text = format == "json" ? json : renderTemplate(format.empty() ? kText : format, *json);
  if (!text) return fail(parsed, text.error());
  print(*text + "\n");
  return 0;
}

}  // namespace

constinit const Verb kInfo = {.name = "info",
                              .group = Group::other,
                              .usage = "[OPTIONS]",
                              .summary = "Show this machine and what is on it",
                              .flags = [] { return FlagTables{kInfoFlags}; },
                              .run = runInfo};

}  // namespace lightv::cli
