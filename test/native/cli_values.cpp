#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "cli/create_options.hpp"
#include "cli/detach.hpp"
#include "cli/ps_filter.hpp"
#include "cli/verbs.hpp"
#include "lv_builder.hpp"

namespace {

using namespace lightv;
using namespace lightv::cli;

Result<CreateOptions> options(std::vector<std::string> words) {
  words.emplace_back("box");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const auto parsed = parseArguments(kRun, argv);
  if (!parsed) return parsed.error();
  return createOptions(*parsed);
}

Spec spec(std::vector<std::string> words) {
  auto made = options(std::move(words));
  REQUIRE_MESSAGE(made.ok(), made.error().message());
  return made->request.spec;
}

std::string errorOf(std::vector<std::string> words) {
  const auto made = options(std::move(words));
  return made ? "" : made.error().message();
}

}  // namespace

TEST_CASE("cli: -v binds paths and mounts volumes by name") {
  const Spec made = spec({"-v", "/srv/data:/data", "-v", "cache:/var/cache:ro"});
  REQUIRE(made.mounts.size() == 2);
  CHECK(made.mounts[0].kind == MountKind::bind);
  CHECK(made.mounts[0].source == "/srv/data");
  CHECK_FALSE(made.mounts[0].readOnly);
  CHECK(made.mounts[1].kind == MountKind::volume);
  CHECK(made.mounts[1].volume == "cache");
  CHECK(made.mounts[1].target == "/var/cache");
  CHECK(made.mounts[1].readOnly);
}

TEST_CASE("cli: --mount and --tmpfs say the same in their own words") {
  const Spec made =
      spec({"--mount", "type=bind,source=/a,target=/b,readonly", "--mount", "source=vol,dst=/v", "--mount",
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700", "--tmpfs", "/u:size=64k,mode=755,ro"});
  REQUIRE(made.mounts.size() == 4);
  CHECK(made.mounts[0] == Mount{.kind = MountKind::bind, .source = "/a", .target = "/b", .readOnly = true});
  CHECK(made.mounts[1] == Mount{.kind = MountKind::volume, .target = "/v", .volume = "vol"});
  CHECK(made.mounts[2] == Mount{.kind = MountKind::tmpfs, .target = "/t", .sizeBytes = 1U << 20, .mode = 0700});
  CHECK(made.mounts[3] ==
        Mount{.kind = MountKind::tmpfs, .target = "/u", .readOnly = true, .sizeBytes = 64U << 10, .mode = 0755});
}

TEST_CASE("cli: wrong mounts are refused with the reason") {
  for (const char* value : {"/a", "/a:b", "x:/y", "/a:/b:rw,z", "a/b:/c", "/a:/b:ro:x"}) {
    CAPTURE(value);
    CHECK(errorOf({"-v", value}).starts_with(std::string("invalid value \"") + value + "\" for --volume: "));
  }
  CHECK(errorOf({"--mount", "type=nfs,target=/x"}) ==
        "invalid value \"type=nfs,target=/x\" for --mount: type is bind, volume or tmpfs");
  CHECK(errorOf({"--mount", "type=tmpfs,target=/x,source=y"}).find("a tmpfs has no source") != std::string::npos);
  CHECK(errorOf({"--tmpfs", "/x:size=banana"}).find("a number of bytes") != std::string::npos);
  CHECK(errorOf({"--tmpfs", "/x:exec"}).find("the options are") != std::string::npos);
}

TEST_CASE("cli: budgets become the kernel's numbers") {
  const Limits limits = spec({"-m",
                              "64m",
                              "--memory-high",
                              "48m",
                              "--memory-reservation",
                              "16m",
                              "--memory-swap",
                              "96m",
                              "--cpus",
                              "0.5",
                              "-c",
                              "512",
                              "--pids-limit",
                              "20",
                              "--blkio-weight",
                              "100",
                              "--cpuset-cpus",
                              "0-1",
                              "--device-read-bps",
                              "/dev/vda:1mb",
                              "--device-write-iops",
                              "/dev/vda:50"})
                            .limits;
  CHECK(limits.memoryMax == 64U << 20);
  CHECK(limits.memoryHigh == 48U << 20);
  CHECK(limits.memoryReservation == 16U << 20);
  CHECK(limits.swapMax == 32U << 20);
  CHECK(limits.cpuQuotaUs == 50000);
  CHECK(limits.cpuShares == 512);
  CHECK(limits.pidsMax == 20);
  CHECK(limits.ioWeight == 100);
  CHECK(limits.cpusetCpus == "0-1");
  REQUIRE(limits.io.size() == 1);
  CHECK(limits.io[0].readBps == 1U << 20);
  CHECK(limits.io[0].writeIops == 50);
}

TEST_CASE("cli: wrong budgets name the flag, the value and what is allowed") {
  CHECK(errorOf({"-m", "lots"}) == "invalid value \"lots\" for --memory: a size such as 64m or 1.5g");
  CHECK(errorOf({"--cpus", "x"}) == "invalid value \"x\" for --cpus: a number from 0.01, such as 0.5 or 2");
  CHECK(errorOf({"-c", "1"}) == "invalid value \"1\" for --cpu-shares: a whole number from 2 to 262144");
  CHECK(errorOf({"--cpus", "1", "--cpu-quota", "5000"}).starts_with("--cpus and --cpu-quota"));
  CHECK(errorOf({"--memory-swap", "5m"}).starts_with("--memory-swap counts memory and swap together"));
  CHECK(errorOf({"-m", "8m", "--memory-swap", "5m"}).starts_with("--memory-swap counts memory and swap together"));
  CHECK(errorOf({"--pids-limit", "-2"}).starts_with("invalid value \"-2\" for --pids-limit"));
  CHECK_FALSE(spec({"--pids-limit", "-1"}).limits.pidsMax.has_value());
}

TEST_CASE("cli: restart policies, limits, signals and the rest are read and checked") {
  const Spec made = spec({"--restart",       "on-failure:3",
                          "--ulimit",        "nofile=10:20",
                          "--ulimit",        "core=0",
                          "--stop-signal",   "sigint",
                          "--stop-timeout",  "3",
                          "--security-opt",  "no-new-privileges:false",
                          "--security-opt",  "seccomp=unconfined",
                          "--security-opt",  "apparmor=mine",
                          "--log-opt",       "max-size=8k",
                          "--log-opt",       "max-file=2",
                          "--userns",        "auto",
                          "--network",       "host",
                          "--shm-size",      "1m",
                          "--oom-score-adj", "500",
                          "--init=false"});
  CHECK(made.restart == RestartPolicy{RestartWhen::onFailure, 3});
  CHECK(made.rlimits == std::vector<Rlimit>{{"nofile", 10, 20}, {"core", 0, 0}});
  CHECK(made.stopSignal == 2);
  CHECK(made.stopTimeoutMs == 3000);
  CHECK_FALSE(made.noNewPrivileges);
  CHECK_FALSE(made.seccomp);
  CHECK(made.appArmor == "mine");
  CHECK(made.log.maxSizeBytes == 8192);
  CHECK(made.log.maxFiles == 2);
  CHECK(made.userns == UserNamespace::automatic);
  CHECK(made.network == Network::host);
  CHECK_FALSE(made.init);
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{{"--restart", "sometimes"},
                                                                                     {"--restart", "always:3"},
                                                                                     {"--ulimit", "nofile=20:10"},
                                                                                     {"--ulimit", "nofile"},
                                                                                     {"--stop-signal", "NOPE"},
                                                                                     {"--network", "bridge"},
                                                                                     {"--security-opt", "apparmor=x y"},
                                                                                     {"--log-opt", "tag=x"},
                                                                                     {"--userns", "keep-id"},
                                                                                     {"--hostname", "a b"},
                                                                                     {"--workdir", "tmp"},
                                                                                     {"--device", "sda"},
                                                                                     {"--oom-score-adj", "1001"},
                                                                                     {"--cgroup-parent", "/a/../b"},
                                                                                     {"--log-driver", "syslog"},
                                                                                     {"--env", "=x"}}) {
    CAPTURE(wrong[0] + " " + wrong[1]);
    CHECK(errorOf(wrong).find("\"" + wrong[1] + "\" for " + wrong[0]) != std::string::npos);
  }
  CHECK(errorOf({"--rm", "--restart", "always"}).starts_with("--rm and --restart exclude each other"));
}

TEST_CASE("cli: variables and labels of the command line win over those of files") {
  const lvtest::TempDir directory;
  std::ofstream(directory.at("env")) << "# comment\nA=file\n\n  B=file  \nLIGHTV_TEST_OWN\n";
  ::setenv("LIGHTV_TEST_OWN", "ours", 1);
  const Spec made = spec({"-e", "A=line", "--env-file", directory.at("env"), "-e", "LIGHTV_TEST_ABSENT"});
  CHECK(made.env ==
        std::vector<std::string>{"A=file", "B=file", "LIGHTV_TEST_OWN=ours", "A=line", "LIGHTV_TEST_ABSENT"});
  std::ofstream(directory.at("labels")) << "x=1\ny=1\n";
  CHECK(spec({"-l", "x=2", "--label-file", directory.at("labels"), "-l", "z"}).labels ==
        std::map<std::string, std::string>{{"x", "2"}, {"y", "1"}, {"z", ""}});
  CHECK(errorOf({"--env-file", directory.at("nope")}).find("No such file") != std::string::npos);
}

TEST_CASE("cli: detach keys are parsed, held back, and given on when they were something else") {
  CHECK(*parseDetachKeys("ctrl-p,ctrl-q") == "\x10\x11");
  CHECK(*parseDetachKeys("a,ctrl-[") == "a\x1b");
  CHECK(parseDetachKeys("")->empty());
  CHECK_FALSE(parseDetachKeys("ctrl-1").ok());
  CHECK_FALSE(parseDetachKeys("shift-a").ok());
  DetachScanner scanner("\x10\x11");
  std::string forward;
  CHECK_FALSE(scanner.feed("ab\x10", forward));
  CHECK(forward == "ab");
  CHECK_FALSE(scanner.feed("c", forward));
  CHECK(forward ==
        "ab\x10"
        "c");
  CHECK_FALSE(scanner.feed("\x10\x10", forward));
  CHECK(scanner.feed("\x11rest", forward));
  CHECK(forward ==
        "ab\x10"
        "c\x10");
}

TEST_CASE("cli: filters of ps are alternatives within a key, and add up across keys") {
  SandboxInfo info;
  info.spec.name = "web-1";
  info.spec.id = "00ff00ff00ff00ff";
  info.spec.imageName = "box:latest";
  info.spec.imageDigest = "sha256:abcdefabcdefabcdef";
  info.spec.labels = {{"app", "web"}, {"tier", "1"}};
  info.status = SandboxStatus::exited;
  info.exit = ExitInfo{.exitCode = 3};
  const auto matches = [&](const std::vector<std::string>& filters) {
    const auto filter = PsFilter::parse(filters);
    REQUIRE(filter.ok());
    return filter->matches(info);
  };
  CHECK(matches({}));
  CHECK(matches({"name=nope", "name=web"}));
  CHECK(matches({"label=app=web", "label=tier"}));
  CHECK_FALSE(matches({"label=app=web", "label=none"}));
  CHECK(matches({"id=00ff", "status=exited", "exited=3", "ancestor=box"}));
  CHECK(matches({"ancestor=abcdefabcdef"}));
  CHECK_FALSE(matches({"status=running"}));
  CHECK_FALSE(matches({"exited=0"}));
  CHECK_FALSE(PsFilter::parse({"colour=red"}).ok());
  CHECK_FALSE(PsFilter::parse({"status=asleep"}).ok());
  CHECK_FALSE(PsFilter::parse({"name"}).ok());
}
