// A store on an overlay, as devices with a read-only root have it: the kernel takes no writable layer there.
#include <sys/mount.h>

#include "engine_fixture.hpp"

using namespace enginetest;

namespace {

/** A directory on an overlay; the mount goes with this. */
class Overlaid {
 public:
  Overlaid() {
    for (const char* name : {"lower", "upper", "work", "root"}) REQUIRE(makeDirs(dir_.at(name)).ok());
    const std::string options =
        "lowerdir=" + dir_.at("lower") + ",upperdir=" + dir_.at("upper") + ",workdir=" + dir_.at("work");
    mounted_ = ::mount("overlay", path().c_str(), "overlay", 0, options.c_str()) == 0;
  }
  Overlaid(const Overlaid&) = delete;
  Overlaid& operator=(const Overlaid&) = delete;
  ~Overlaid() {
    if (mounted_) (void)::umount2(path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] std::string path() const { return dir_.at("root"); }
  [[nodiscard]] bool isThere() const { return mounted_; }

 private:
  lvtest::TempDir dir_;
  bool mounted_ = false;
};

/** Starts it, and what it wrote once it has ended with 0. */
std::string outputOf(const Home& home, const std::string& id) {
  auto started = home.engine().start(id, {});
  INFO(started.error().message());
  REQUIRE(started.ok());
  CHECK(receiveExit(started->control.get()).exitCode == 0);
  REQUIRE(eventually([&] { return home.info(id).status == SandboxStatus::exited; }));
  return home.log(id);
}

}  // namespace

TEST_CASE("engine: where the store lies on an overlay a sandbox writes to memory, and is told so") {
  if (!canRun()) return;
  const Overlaid overlaid;
  REQUIRE(overlaid.isThere());
  const Home home(overlaid.path());
  const std::string script = "[ -e /data/mine ] && echo again; echo x >/data/mine && cat /data/mine";
  for (const UserNamespace users : {UserNamespace::host, UserNamespace::automatic}) {
    CreateRequest request = home.shell(script);
    request.spec.userns = users;
    const std::string id = home.make(std::move(request));
    CHECK(outputOf(home, id).ends_with(" stdout F x\n"));
    const std::vector<std::string> warnings = home.info(id).warnings;
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find("the writable layer is in memory") == 0);
    CHECK(outputOf(home, id).find("again") == std::string::npos);
  }
  CHECK(home.isQuiet());
}

TEST_CASE("engine: a read-only sandbox of a store on an overlay has nothing to be told") {
  if (!canRun()) return;
  const Overlaid overlaid;
  REQUIRE(overlaid.isThere());
  const Home home(overlaid.path());
  CreateRequest request = home.shell("cat /data/none 2>/dev/null || echo none");
  request.spec.readOnlyRoot = true;
  const std::string id = home.make(std::move(request));
  CHECK(outputOf(home, id).ends_with(" stdout F none\n"));
  CHECK(home.info(id).warnings.empty());
}
