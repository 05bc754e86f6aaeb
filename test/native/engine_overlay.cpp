// A store on an overlay, as devices with a read-only root have it: the kernel takes no writable layer there.
#include <sys/mount.h>

#include "engine_fixture.hpp"
#include "warnings.hpp"

using namespace enginetest;

namespace {

/** A directory on an overlay of a tmpfs; the mounts go with this. */
class Overlaid {
 public:
  Overlaid() {
    for (const char* name : {"lower", "memory", "root"}) REQUIRE(makeDirs(dir_.at(name)).ok());
    if (::mount("tmpfs", memory_.c_str(), "tmpfs", 0, nullptr) != 0) return;
    for (const char* name : {"/upper", "/work"}) (void)makeDirs(memory_ + name);
    const std::string options =
        "lowerdir=" + dir_.at("lower") + ",upperdir=" + memory_ + "/upper,workdir=" + memory_ + "/work";
    mounted_ = ::mount("overlay", path().c_str(), "overlay", 0, options.c_str()) == 0;
  }
  Overlaid(const Overlaid&) = delete;
  Overlaid& operator=(const Overlaid&) = delete;
  ~Overlaid() {
    if (mounted_) (void)::umount2(path().c_str(), MNT_DETACH);
    (void)::umount2(memory_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] std::string path() const { return dir_.at("root"); }
  [[nodiscard]] bool isThere() const { return mounted_; }

 private:
  lvtest::TempDir dir_;
  std::string memory_ = dir_.at("memory");
  bool mounted_ = false;
};

/** A request for a shell, with an image that lies on the overlay, too. */
CreateRequest shellOf(const Home& home, const std::string& script) {
  CreateRequest request = home.shell(script);
  request.image = home.paths().root + "/busybox.lv";
  if (!exists(request.image)) REQUIRE(lvtest::runProgram({"cp", busyboxImage(), request.image}) == 0);
  return request;
}

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
    CreateRequest request = shellOf(home, script);
    request.spec.userns = users;
    const std::string id = home.make(std::move(request));
    CHECK(outputOf(home, id).ends_with(" stdout F x\n"));
    const std::vector<std::string> warnings = lvtest::unexpected(home.info(id).warnings);
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
  CreateRequest request = shellOf(home, "cat /data/none 2>/dev/null || echo none");
  request.spec.readOnlyRoot = true;
  request.usernsGiven = true;  // the host's: a kernel that can't do otherwise says so
  const std::string id = home.make(std::move(request));
  CHECK(outputOf(home, id).ends_with(" stdout F none\n"));
  CHECK(lvtest::unexpected(home.info(id).warnings).empty());
}

TEST_CASE("engine: a layer with a bound is on disk on an overlay too, and is there in the next run") {
  if (!canRun()) return;
  const Overlaid overlaid;
  REQUIRE(overlaid.isThere());
  const Home home(overlaid.path());
  CreateRequest request = shellOf(home, "[ -e /data/mine ] && echo again; echo x >/data/mine && cat /data/mine");
  request.spec.storageSizeBytes = 16U << 20;
  request.usernsGiven = true;  // as above
  const std::string id = home.make(std::move(request));
  CHECK(outputOf(home, id).ends_with(" stdout F x\n"));
  CHECK(lvtest::unexpected(home.info(id).warnings).empty());
  CHECK(outputOf(home, id).find(" stdout F again\n") != std::string::npos);
  CHECK(home.isQuiet());
}
