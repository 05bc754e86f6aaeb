/** The agent updates itself over the air, from dist/ under a service that starts it again; a bad version makes way by itself. */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { type Payload, ServiceWorld } from "#test/lib/agent-service.ts";
import type { TreeOptions } from "#test/lib/agent-tree.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("integration/agent/update");
const LIMIT = { timeoutMs: 240_000 };
/** Counts for ever, a line each 10 ms. */
const COUNTER = ["/bin/sh", "-c", "n=0; while true; do echo $n; n=$((n+1)); sleep 0.01; done"];

async function begin(t: TestContext): Promise<ServiceWorld> {
  const reason = World.unavailable() ?? imagesUnavailable();
  if (reason !== undefined) t.skip(reason);
  const world = new ServiceWorld();
  t.cleanup(() => world.close());
  await world.start();
  return world;
}

/** An app whose lines are numbered; gives its pid. */
async function startCounter(world: ServiceWorld): Promise<number> {
  const { digest, size } = await busyboxImage(world.box.root, { name: "base" });
  await world.fleetOk("push", "base");
  await world.desire([{ name: "counter", image: { name: "base:latest", digest, size }, command: COUNTER }]);
  return until("the counter to run", async () => {
    const report = await world.appReport("counter");
    return report?.phase === "running" ? report.pid : undefined;
  });
}

/** It is the same process, was never started again, and each of its lines is in the log. */
async function countsOn(world: ServiceWorld, pid: number): Promise<void> {
  const report = await world.appReport("counter");
  assert.equal([report?.phase, report?.pid, report?.restarts], ["running", pid, 0]);
  const lines = (await world.box.ok("logs", report?.sandboxId ?? "")).split("\n").map(Number);
  assert.ok(lines.length > 100, `${lines.length} lines`);
  lines.forEach((line, at) => {
    assert.is(line, at);
  });
}

test(
  "from N to N+1 and on to N+2, under load: the new versions are in force, the app keeps its process and its log has no gap",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    const before = await world.agentView();
    assert.equal([before?.slot, before?.phase], ["usr", "current"]);
    for (const [version, slot] of [
      ["9.0.1", "a"],
      ["9.0.2", "b"],
    ] as const) {
      const { code, stdout, stderr } = await world.upgrade(await world.payload(version), "--wait", "--timeout", "90s");
      assert.is(code, 0, `${stdout}${stderr}${world.agentLog()}`);
      const view = await world.agentView();
      assert.equal([view?.version, view?.slot, view?.phase, view?.reason], [version, slot, "current", ""]);
      assert.match(await world.fleetOk("devices"), version);
      await countsOn(world, pid);
    }
    // The launcher's choice outlives the process.
    world.killAgent();
    await world.agentIs("9.0.2 again", ({ version }) => version === "9.0.2");
    await until("the events", async () => ((await world.agentEvents()).length >= 4 ? true : undefined));
    assert.equal(await world.agentEvents(), ["agent.update-started", "agent.updated", "agent.update-started", "agent.updated"]);
    await countsOn(world, pid);
  },
  LIMIT,
);

interface Bad {
  readonly title: string;
  readonly options: TreeOptions & { architecture?: string };
  readonly event: "agent.rolled-back" | "agent.update-failed";
  readonly reason: RegExp;
}

const BAD: readonly Bad[] = [
  { title: "crashes at its start", options: { atStart: "kill -SEGV $$" }, event: "agent.rolled-back", reason: /signal SEGV ended it/ },
  { title: "exits at its start", options: { atStart: "exit 7" }, event: "agent.rolled-back", reason: /exited with status 7/ },
  {
    title: "hangs at its start",
    options: { atStart: "exec sleep 1000" },
    event: "agent.rolled-back",
    reason: /not reported after 12 s, and was killed/,
  },
  {
    title: "never connects",
    options: { atStart: 'set -- "$@" --mqtt-url mqtt://127.0.0.1:1' },
    event: "agent.rolled-back",
    reason: /has not reached the controller/,
  },
  {
    title: "does not start at all",
    options: { always: "echo broken >&2; exit 5" },
    event: "agent.update-failed",
    reason: /does not start: .*broken/,
  },
  {
    title: "lacks files",
    options: { without: ["lib/lightv/lightv.node"] },
    event: "agent.update-failed",
    reason: /lightv\.node is missing/,
  },
  {
    title: "lacks its release",
    options: { without: ["lib/lightv/release.json"] },
    event: "agent.update-failed",
    reason: /no lib\/lightv\/release\.json/,
  },
  {
    title: "is another version than was signed",
    options: { release: { version: "8.8.8" } },
    event: "agent.update-failed",
    reason: /holds version 8\.8\.8/,
  },
  {
    title: "needs another Node",
    options: { release: { nodeSha256: "0".repeat(64) } },
    event: "agent.update-failed",
    reason: /needs Node .* another/,
  },
];

/** Only when somebody says so is it tried again, and then once; and a good one is still welcome. */
async function retryAndRecover(world: ServiceWorld, payload: Payload, pid: number): Promise<void> {
  const again = await world.upgrade(payload, "--wait", "--retry", "--timeout", "90s");
  assert.is(again.code, 1);
  await until("its events", async () => ((await world.agentEvents()).length >= 4 ? true : undefined));
  const twice = ["agent.update-started", "agent.rolled-back"];
  assert.equal(await world.agentEvents(), [...twice, ...twice]);
  assert.is((await world.upgrade(await world.payload("9.2.0"), "--wait", "--timeout", "90s")).code, 0, world.agentLog());
  await countsOn(world, pid);
}

for (const [index, { title, options, event, reason }] of BAD.entries())
  test(
    `a version that ${title} makes way by itself, is reported, is not tried again by itself, and the app runs on`,
    async (t) => {
      const world = await begin(t);
      const pid = await startCounter(world);
      const payload = await world.payload(`9.1.${index}`, options);
      const { code, stderr } = await world.upgrade(payload, "--wait", "--timeout", "90s");
      assert.is(code, 1, stderr + world.agentLog());
      assert.match(stderr, reason);
      const view = await world.agentIs("the old one", ({ phase }) => phase === "failed");
      assert.equal([view.slot, view.wanted?.version], ["usr", payload.version]);
      assert.match(view.reason, reason);
      const starts = world.ends.length;
      world.killAgent();
      await until("another start", () => (world.ends.length > starts ? true : undefined));
      await world.fleetOk("upgrade-agent", world.device, "--image", payload.file, "--signature", payload.signature);
      await until("its reports", async () =>
        (await world.view())?.reported?.desiredRevision === (await world.view())?.desiredRevision ? true : undefined,
      );
      assert.is(world.ends.length, starts + 1);
      assert.equal(await world.agentEvents(), ["agent.update-started", event]);
      await countsOn(world, pid);
      if (index === 0) await retryAndRecover(world, payload, pid);
    },
    LIMIT,
  );

test(
  "what is not signed by a key of the device is not even fetched",
  async (t) => {
    const world = await begin(t);
    const stranger = await world.makeKey("stranger", false);
    const foreign = await world.upgrade(await world.payload("9.3.0", { key: stranger }), "--wait", "--timeout", "60s");
    assert.is(foreign.code, 1);
    assert.match(foreign.stderr, /signed with key [0-9a-f]{16}, which is not in/);
    const good = await world.payload("9.3.1");
    const signature = JSON.parse(readFileSync(good.signature, "utf8")) as Record<string, string>;
    const forged = await world.controller.raw("PUT", `/v1/devices/${world.device}/agent`, {
      ...signature,
      image: signature.digest,
      version: "9.3.2",
    });
    assert.is(forged.status, 200);
    await world.agentIs("the refusal", ({ reason }) => /signature of version 9\.3\.2 is wrong/.test(reason));
    const events = (await world.events()).map(({ type }) => type);
    assert.not(events.includes("image.pulled") || events.includes("agent.update-started"));
    // The controller's own checks.
    const other = await world.payload("9.3.3", { architecture: "arm64", release: { architecture: "arm64" } });
    const refused = await world.upgrade(other);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /is for arm64, and device-1 is amd64/);
    const mixed = await world.fleet("upgrade-agent", world.device, "--image", good.file, "--signature", other.signature);
    assert.match(mixed.stderr, /is the signature of sha256:/);
  },
  LIMIT,
);

test(
  "killed again and again at any moment of an update, it ends with the new version in force",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    for (let round = 0; round < 20; round++) {
      const version = `9.4.${round}`;
      const payload = await world.payload(version);
      await world.upgrade(payload, "--retry");
      // The time of a whole update here is about four seconds.
      for (let kill = 0; kill < 2; kill++) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 4_000));
        world.killAgent();
      }
      const view = await world.agentIs(
        `an end of the update to ${version}`,
        (now) =>
          now.wanted === undefined
            ? now.version === version && now.phase === "current"
            : now.phase === "failed" && now.wanted.version === version,
        60_000,
      );
      // Killed on trial it has had its chance; it must never be anything but the one before or the new one.
      assert.ok(view.version === version || /rolled back/.test(view.reason), JSON.stringify(view));
      await countsOn(world, pid);
    }
    assert.is((await world.upgrade(await world.payload("9.5.0"), "--wait", "--timeout", "90s")).code, 0, world.agentLog());
    await countsOn(world, pid);
  },
  { timeoutMs: 900_000 },
);
