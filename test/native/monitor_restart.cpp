// When a sandbox is started again: the rule, and real sandboxes.
#include "engine_fixture.hpp"
#include "monitor/restart.hpp"

using namespace enginetest;

TEST_CASE("restart: each policy does what its name says") {
  const RestartPolicy no{};
  const RestartPolicy always{RestartWhen::always, 0};
  const RestartPolicy unlessStopped{RestartWhen::unlessStopped, 0};
  const RestartPolicy onFailure{RestartWhen::onFailure, 0};
  const RestartPolicy twice{RestartWhen::onFailure, 2};
  CHECK_FALSE(shallRestart(no, 1, 0, false));
  CHECK(shallRestart(always, 0, 1000, false));
  CHECK(shallRestart(unlessStopped, 0, 1000, false));
  CHECK_FALSE(shallRestart(onFailure, 0, 0, false));
  CHECK(shallRestart(onFailure, 1, 1000, false));
  CHECK(shallRestart(twice, 1, 1, false));
  CHECK_FALSE(shallRestart(twice, 1, 2, false));
  for (const RestartPolicy& policy : {always, unlessStopped, onFailure}) CHECK_FALSE(shallRestart(policy, 1, 0, true));
}

TEST_CASE("restart: the delay doubles to a minute, and a healthy run begins anew") {
  RestartBackoff backoff;
  std::uint32_t wanted = 100;
  for (int i = 0; i < 20; i++) {
    CHECK(backoff.next(0) == wanted);
    wanted = wanted * 2 > 60000 ? 60000 : wanted * 2;
  }
  CHECK(backoff.next(RestartBackoff::kHealthyUs) == 100);
  CHECK(backoff.next(RestartBackoff::kHealthyUs - 1) == 200);
}

TEST_CASE("restart: a failing sandbox is tried as often as asked, and its log goes on") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.shell("echo again; exit 5");
  request.spec.restart = {RestartWhen::onFailure, 2};
  const std::string id = home.run(std::move(request));
  const auto exit = home.engine().wait(id);
  REQUIRE(exit.ok());
  CHECK(exit->exitCode == 5);
  const SandboxInfo info = home.info(id);
  CHECK(info.status == SandboxStatus::exited);
  CHECK(info.restartCount == 2);
  CHECK(split(home.log(id), '\n').size() == 4);
  CHECK(home.isQuiet());
}

TEST_CASE("restart: stopping ends it, while it runs and while it waits for its next try") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/sleep", "1000"});
  request.spec.restart = {RestartWhen::always, 0};
  request.spec.stopSignal = SIGKILL;
  const std::string running = home.run(std::move(request));
  CHECK(home.engine().stop(running, 0, -1).ok());
  CHECK(home.info(running).status == SandboxStatus::exited);
  CHECK(home.info(running).restartCount == 0);
  CreateRequest failing = home.request({"/bin/false"});
  failing.spec.restart = {RestartWhen::always, 0};
  const std::string waiting = home.run(std::move(failing));
  REQUIRE(eventually([&] {
    const SandboxInfo info = home.info(waiting);
    return info.status == SandboxStatus::restarting && info.restartCount >= 2;
  }));
  CHECK(home.info(waiting).exit->exitCode == 1);
  CHECK(home.engine().stop(waiting, 0, -1).ok());
  CHECK(home.info(waiting).status == SandboxStatus::exited);
  CHECK(home.info(waiting).exit->exitCode == 1);
  CHECK(home.isQuiet());
}

TEST_CASE("restart: a policy that is taken away while it waits ends it; one given to what runs counts") {
  if (!canRun()) return;
  const Home home;
  CreateRequest request = home.request({"/bin/false"});
  request.spec.restart = {RestartWhen::always, 0};
  const std::string id = home.run(std::move(request));
  REQUIRE(eventually([&] { return home.info(id).restartCount >= 1; }));
  CHECK(home.engine().update(id, {.restart = RestartPolicy{}}).ok());
  CHECK(eventually([&] { return home.info(id).status == SandboxStatus::exited; }));
  const std::string sleeper = home.run(home.request({"/bin/sleep", "1000"}));
  REQUIRE(home.engine().update(sleeper, {.restart = RestartPolicy{RestartWhen::onFailure, 1}}).ok());
  // Not by kill(), which is the user's word: by the workload's own end.
  REQUIRE(::kill(home.info(sleeper).pid, SIGKILL) == 0);
  CHECK(eventually([&] { return home.info(sleeper).restartCount == 1 && home.info(sleeper).pid > 0; }));
}
