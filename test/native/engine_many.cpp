// Many at once, and what they leave: nothing.
#include "engine_fixture.hpp"

using namespace enginetest;

namespace {

std::size_t mounts() {
  return split(*readFile("/proc/self/mountinfo", 16U << 20), '\n').size();
}
std::size_t descriptors() {
  return listDir("/proc/self/fd")->size();
}
std::size_t attachedLoops(const std::string& path) {
  std::size_t count = 0;
  const auto blocks = listDir("/sys/block");
  for (const std::string& name : blocks ? *blocks : std::vector<std::string>()) {
    const auto file = readFile("/sys/block/" + name + "/loop/backing_file");
    if (file && file->find(path) != std::string::npos) count++;
  }
  return count;
}

}  // namespace

TEST_CASE("engine: 64 sandboxes in parallel, started and removed, leave no mount, group, process or file") {
  if (!canRun()) return;
  const Home home;
  constexpr int kSandboxes = 64;
  const std::size_t mountsBefore = mounts();
  const std::size_t descriptorsBefore = descriptors();
  const std::size_t loopsBefore = attachedLoops(busyboxImage());
  std::vector<std::string> ids;
  std::vector<Started> running;
  for (int i = 0; i < kSandboxes; i++) {
    CreateRequest request = home.shell("read word; exit " + std::to_string(i));
    request.spec.openStdin = true;
    request.spec.autoRemove = i % 2 == 0;
    ids.push_back(home.make(std::move(request)));
    auto started = home.engine().start(ids.back(), {.attachStdin = true});
    INFO(started.error().message());
    REQUIRE(started.ok());
    running.push_back(std::move(*started));
  }
  CHECK(home.engine().list()->size() == kSandboxes);
  CHECK(home.monitors().size() == kSandboxes);
  for (Started& started : running) started.stdinEnd.reset();
  for (int i = 0; i < kSandboxes; i++)
    CHECK(receiveExit(running[static_cast<std::size_t>(i)].control.get()).exitCode == i);
  running.clear();
  for (int i = 1; i < kSandboxes; i += 2)
    CHECK(home.engine().remove(ids[static_cast<std::size_t>(i)], false, true).ok());
  CHECK(home.isQuiet());
  for (const char* directory : {"/root/sandboxes", "/root/names", "/run/sandboxes"}) {
    INFO(directory);
    CHECK(home.entries(parentPath(home.paths().root) + directory).empty());
  }
  CHECK(mounts() == mountsBefore);
  CHECK(descriptors() == descriptorsBefore);
  CHECK(eventually([&] { return attachedLoops(busyboxImage()) == loopsBefore; }));
}
