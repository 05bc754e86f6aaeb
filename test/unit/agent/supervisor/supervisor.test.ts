import * as assert from "uvu/assert";
import { LightvError } from "#agent/lib/errors.ts";
import { app, digest, MIB, Rig } from "#test/lib/agent-rig.ts";
import { settle } from "#test/lib/fake-clock.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/supervisor");

async function rig(options?: ConstructorParameters<typeof Rig>[0]): Promise<Rig> {
  const made = new Rig(options);
  await made.start();
  return made;
}

test("pulls, creates and starts what is desired, and reports it", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  assert.is(r.report("web").phase, "running");
  assert.is(r.report("web").revision, 1);
  assert.equal(r.images.pulls, [digest(1)]);
  assert.equal(
    r.events().map((event) => event.type),
    ["image.pulled", "app.started"],
  );
});

test("does nothing as long as no desired state is known", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.restart(1, app("web", 1));
  const fresh = new Rig();
  await fresh.start();
  assert.equal(fresh.supervisor.reports(), []);
  assert.is(r.native.running().length, 1);
});

test("removes what is no longer desired, and leaves sandboxes of people alone", async () => {
  const r = await rig();
  await r.native.engine().create(JSON.stringify({ name: "mine", image: digest(9), annotations: {} }));
  await r.desire(1, app("web", 1));
  await r.desire(2);
  assert.equal(
    [...r.native.sandboxes.values()].map((sandbox) => sandbox.name),
    ["mine"],
  );
  assert.is(r.events("app.exited").length, 1);
  assert.is(r.events("app.exited")[0]?.data.requested, true);
});

test("an update pulls first, then stops the old version, and keeps it until the new one has proved good", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  await r.desire(2, app("web", 2));
  assert.equal(r.native.calls, ["create", "start", "create", "stop", "start"]);
  assert.is(r.native.sandboxes.size, 2);
  await r.clock.advance(15_000);
  assert.is(r.native.sandboxes.size, 1);
  assert.is(r.report("web").revision, 2);
});

test("a new version whose command does not exist is rolled back, with the reason, and not tried again", async () => {
  const r = await rig();
  r.native.behaviour.set("missing", "not-found");
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  await r.desire(2, app("web", 2, { command: ["missing"] }));
  const report = r.report("web");
  assert.is(report.phase, "running");
  assert.is(report.revision, 1);
  assert.match(report.reason, /rolled back to revision 1.*LV_COMMAND_NOT_FOUND/);
  const starts = r.native.calls.filter((call) => call === "start").length;
  await r.clock.advance(3_600_000);
  assert.is(r.native.calls.filter((call) => call === "start").length, starts);
  assert.is(r.events("app.rolled-back").length, 1);
  await r.desire(3, app("web", 2, { command: ["missing"] }));
  assert.is(r.native.calls.filter((call) => call === "start").length, starts, "the same version in another revision");
  await r.desire(4, app("web", 3));
  assert.is(r.report("web").revision, 4);
});

test("a missing command without an older version fails with its code and does not loop", async () => {
  const r = await rig();
  r.native.behaviour.set("missing", "not-found");
  await r.desire(1, app("web", 1, { command: ["missing"] }));
  assert.is(r.report("web").phase, "failed");
  assert.match(r.report("web").reason, /LV_COMMAND_NOT_FOUND/);
  await r.clock.advance(3_600_000);
  assert.is(r.native.calls.filter((call) => call === "start").length, 1);
  assert.is(r.native.sandboxes.size, 0);
  r.native.behaviour.clear();
  await r.desire(2, app("web", 1, { command: ["missing"] }));
  assert.is(r.report("web").phase, "running", "a new revision tries it again");
});

test("a version that crashes before it has proved good is rolled back after three failures", async () => {
  const r = await rig();
  r.native.behaviour.set("crash", "exit-1");
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  await r.desire(2, app("web", 2, { command: ["crash"] }));
  await r.clock.advance(30_000);
  assert.is(r.report("web").revision, 1);
  assert.is(r.report("web").phase, "running");
  assert.match(r.report("web").reason, /failed 3 times.*exited with code 1/);
  assert.is(r.events("app.exited").filter((event) => event.data.requested === false).length, 3);
});

test("restarts what ends, slower and slower, until it is a crash loop that goes on at the longest delay", async () => {
  const r = await rig();
  r.native.behaviour.set("crash", "exit-1");
  await r.desire(
    1,
    app("web", 1, { command: ["crash"], restart: { policy: "always", maxRetries: 3, minDelayMs: 1000, maxDelayMs: 60_000 } }),
  );
  assert.is(r.report("web").phase, "backoff");
  await r.clock.advance(10_000);
  assert.is(r.report("web").phase, "crashloop");
  const before = r.events("app.exited").length;
  await r.clock.advance(600_000);
  const more = r.events("app.exited").length - before;
  assert.ok(more >= 9 && more <= 21, `${more} restarts in ten minutes at delays of 30 to 60 s`);
});

test("forgets failures after a healthy period", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  const id = r.native.running()[0]?.id ?? "";
  r.native.end(id, { exitCode: 1 });
  await r.clock.advance(2_000);
  assert.match(r.report("web").reason, /restarted, because: exited with code 1/);
  assert.is(r.report("web").restarts, 1);
  await r.clock.advance(70_000);
  assert.is(r.report("web").reason, "");
});

test("obeys the restart policy", async () => {
  const r = await rig();
  r.native.behaviour.set("job", "exit-0");
  r.native.behaviour.set("crash", "exit-1");
  await r.desire(
    1,
    app("once", 1, { command: ["job"], restart: { policy: "no" } }),
    app("job", 2, { command: ["job"], restart: { policy: "on-failure" } }),
    app("bad", 3, { command: ["crash"], restart: { policy: "no" } }),
    app("again", 4, { command: ["crash"], restart: { policy: "on-failure" } }),
  );
  assert.is(r.report("once").phase, "stopped");
  assert.is(r.report("job").phase, "stopped");
  assert.is(r.report("bad").phase, "failed");
  assert.is(r.report("again").phase, "backoff");
});

test("tells an OOM kill and a lost monitor apart from an exit", async () => {
  const r = await rig();
  await r.desire(1, app("a", 1), app("b", 2));
  const [a, b] = r.native.running();
  r.native.end(a?.id ?? "", { exitCode: 137, signal: 9, oomKilled: true });
  r.native.end(b?.id ?? "", { exitCode: 137, signal: 9, lost: true });
  await settle();
  assert.is(r.events("app.oom").length, 1);
  assert.match(r.report("a").reason, /used more memory than its budget/);
  assert.match(r.report("b").reason, /monitor, which was lost/);
  assert.is(r.report("b").lastExit?.lost, true);
  await r.clock.advance(5_000);
  assert.is(r.native.running().length, 2);
});

test("what was stopped because the device went down starts again at once and has not failed; a job that runs once does not", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1), app("flaky", 2, { restart: { policy: "on-failure" } }), app("job", 3, { restart: { policy: "no" } }));
  for (const { id } of r.native.running()) r.native.end(id, { exitCode: 0, shutdown: true });
  await r.clock.advance(0);
  assert.is(r.report("web").phase, "running");
  assert.is(r.report("flaky").phase, "running");
  assert.is(r.report("job").phase, "stopped");
  assert.match(r.report("job").reason, /the device went down; its restart policy is "no"/);
  assert.is(r.report("web").reason, "");
  assert.equal(
    r.events("app.exited").map((event) => event.data.requested),
    [true, true, true],
  );
});

test("adopts what runs after a restart of the agent, starts nothing anew and tells nothing twice", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  const before = r.native.running()[0]?.startedAt;
  for (let n = 0; n < 20; n++) await r.restart(1, app("web", 1));
  assert.is(r.native.running()[0]?.startedAt, before);
  assert.equal(r.native.calls, ["create", "start"]);
  assert.is(r.events("app.started").length, 1);
});

test("an end that nobody saw becomes one event, and the app is started again", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  const id = r.native.running()[0]?.id ?? "";
  r.native.dropWatches();
  r.native.end(id, { exitCode: 3 });
  await r.restart(1, app("web", 1));
  await r.restart(1, app("web", 1));
  assert.is(r.events("app.exited").length, 1);
  await r.clock.advance(5_000);
  assert.is(r.native.running().length, 1);
});

test("a power cut brings everything back without a network", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1), app("db", 2));
  await r.clock.advance(15_000);
  r.native.powerCut();
  r.clock.reboot();
  await r.restart(1, app("web", 1), app("db", 2));
  assert.is(r.native.running().length, 2);
  assert.is(r.images.pulls.length, 2);
});

test("power cuts are no failures of the version that is tried, unless there is no end of them", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  const cut = async (): Promise<void> => {
    r.native.powerCut();
    r.clock.reboot();
    await r.restart(2, app("web", 2));
  };
  await r.desire(2, app("web", 2));
  for (let count = 0; count < 9; count++) await cut();
  assert.is(r.report("web").revision, 2, "still tried, at once after each boot");
  assert.is(r.report("web").phase, "running");
  assert.is(r.events("app.exited").filter((event) => event.data.lost === true).length, 9);
  assert.is(r.events("app.rolled-back").length, 0);
  await cut();
  assert.is(r.report("web").revision, 1);
  assert.match(r.report("web").reason, /the machine went down 10 times while it was tried/);
});

test("a version that has proved good outlives any number of power cuts", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  await r.desire(2, app("web", 2));
  await r.clock.advance(15_000);
  for (let count = 0; count < 30; count++) {
    r.native.powerCut();
    r.clock.reboot();
    await r.restart(2, app("web", 2));
    assert.is(r.report("web").phase, "running", `after cut ${count + 1}`);
  }
  assert.is(r.report("web").revision, 2);
});

test("a newer desired state cuts off a pull that is under way", async () => {
  const r = await rig();
  r.images.hanging.add(digest(1));
  await r.desire(1, app("web", 1));
  assert.is(r.report("web").phase, "pulling");
  await r.desire(2, app("web", 2));
  assert.is(r.report("web").phase, "running");
  assert.is(r.report("web").imageDigest, digest(2));
});

test("an operation that hangs ends at its deadline and is tried again", async () => {
  const r = await rig();
  r.images.hanging.add(digest(1));
  await r.desire(1, app("web", 1));
  await r.clock.advance(61_000);
  assert.match(r.report("web").reason, /LV_TIMEOUT/);
  r.images.hanging.clear();
  await r.clock.advance(120_000);
  assert.is(r.report("web").phase, "running");
});

test("a failing pull leaves the old version running and goes on with back-off", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  r.images.failures.set(digest(2), new LightvError("LV_FETCH", "connection reset"));
  await r.desire(2, app("web", 2));
  await r.clock.advance(60_000);
  assert.is(r.native.running().length, 1);
  assert.is(r.report("web").phase, "running");
  assert.match(r.report("web").reason, /older version goes on.*LV_FETCH.*tried again/);
  r.images.failures.clear();
  await r.clock.advance(300_000);
  assert.is(r.report("web").revision, 2);
});

test("an image with another content than its digest is not fetched again and again", async () => {
  const r = await rig();
  r.images.failures.set(digest(1), new LightvError("LV_IMAGE_DIGEST", "other content"));
  await r.desire(1, app("web", 1));
  await r.clock.advance(3_600_000);
  assert.is(r.images.pulls.length, 1);
  assert.is(r.report("web").phase, "failed");
});

test("an image for another architecture fails with LV_IMAGE_PLATFORM before anything is stopped", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.clock.advance(15_000);
  r.images.architecture = "arm64";
  await r.desire(2, app("web", 2));
  assert.equal(r.native.calls, ["create", "start"]);
  assert.match(r.report("web").reason, /for arm64 and this device is amd64/);
  assert.is(r.events("app.rolled-back")[0]?.data.code, "LV_IMAGE_PLATFORM");
});

test("refuses the app that does not fit into the memory, with the arithmetic, and leaves the others alone", async () => {
  const r = await rig({ memoryBytes: 100 * MIB });
  await r.desire(1, app("a", 1, { budget: { memory: 60 * MIB } }), app("b", 2, { budget: { memory: 60 * MIB } }));
  assert.is(r.report("a").phase, "running");
  assert.is(r.report("b").phase, "failed");
  assert.match(r.report("b").reason, /LV_BUDGET: it asks for 60 MiB of memory, other apps have 60 MiB, and the device has 100 MiB/);
  await r.clock.advance(600_000);
  assert.equal(
    r.events("app.failed").map(({ app: name, data }) => [name, data.code]),
    [["b", "LV_BUDGET"]],
    "told once",
  );
  await r.desire(2, app("b", 2, { budget: { memory: 60 * MIB } }));
  assert.is(r.report("b").phase, "running", "once there is room");
});

test("refuses a second app on the same port", async () => {
  const r = await rig();
  const ports = [{ port: 80 }];
  await r.desire(1, app("a", 1, { network: "host", ports }), app("b", 2, { network: "host", ports }));
  assert.is(r.report("b").phase, "failed");
  assert.match(r.report("b").reason, /LV_CONFLICT: port 80\/tcp belongs to app a/);
});

test("a change of restart or health rules does not restart the app", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.desire(2, app("web", 1, { restart: { policy: "on-failure" } }));
  assert.equal(r.native.calls, ["create", "start"]);
});

test("a changed health check takes effect without a restart, and one that is taken away ends", async () => {
  const r = await rig();
  const check = (program: string) => ({ health: { probe: { exec: [program] }, intervalMs: 1000, retries: 2 } });
  r.native.execExitCodes.set("bad", 1);
  await r.desire(1, app("web", 1, check("good")));
  await r.clock.advance(1500);
  assert.is(r.report("web").health, "healthy");
  await r.desire(2, app("web", 1, check("bad")));
  assert.equal(r.native.calls, ["create", "start"]);
  await r.clock.advance(2500);
  assert.is(r.events("app.unhealthy").length, 1);
  assert.equal(r.native.calls, ["create", "start", "stop"], "what does not pass the new check is restarted");
  const asked = r.native.execs.length;
  await r.desire(3, app("web", 1));
  await r.clock.advance(30_000);
  assert.is(r.report("web").health, "none");
  assert.is(r.native.execs.length, asked);
  assert.is(r.native.running().length, 1);
});

test("the version that a rollback went back to is still asked for its health, and restarted when it fails", async () => {
  const r = await rig();
  const health = { probe: { exec: ["ask"] }, intervalMs: 1000, retries: 2 };
  r.native.behaviour.set("missing", "not-found");
  await r.desire(1, app("web", 1, { health }));
  await r.clock.advance(15_000);
  await r.desire(2, app("web", 2, { command: ["missing"], health }));
  await r.clock.advance(2000);
  assert.is(r.report("web").revision, 1);
  assert.is(r.report("web").health, "healthy");
  r.native.execExitCodes.set("ask", 1);
  const before = r.native.calls.length;
  await r.clock.advance(10_000);
  assert.equal(r.native.calls.slice(before, before + 2), ["stop", "start"]);
});

test("restart stops and starts the same sandbox, and is no failure", async () => {
  const r = await rig();
  await r.desire(1, app("web", 1));
  await r.supervisor.restart("web");
  await settle();
  assert.equal(r.native.calls, ["create", "start", "stop", "start"]);
  assert.is(r.report("web").phase, "running");
  assert.is(r.report("web").reason, "");
  assert.is(r.events("app.started").length, 2);
  assert.is(r.events("app.exited").length, 1);
});

test("stop and a newer version cut off a pull also when a restart waits behind it", async () => {
  const r = await rig();
  r.images.hanging.add(digest(2));
  await r.desire(1, app("web", 1));
  for (const revision of [2, 4]) {
    await r.desire(revision, app("web", 2));
    const restart = r.supervisor.restart("web").then(
      () => "done",
      (error: unknown) => (error instanceof LightvError ? error.code : String(error)),
    );
    await settle();
    if (revision === 2) await r.desire(3, app("web", 1));
    else await r.supervisor.stop();
    assert.is(await restart, "LV_STALE_REVISION");
    assert.is(r.native.running().length, 1);
  }
});

test("stop ends with the operations under way and leaves the workloads running", async () => {
  const r = await rig();
  r.images.hanging.add(digest(2));
  await r.desire(1, app("web", 1), app("slow", 2));
  await r.supervisor.stop();
  assert.is(r.native.running().length, 1);
});
