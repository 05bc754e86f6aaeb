/** The agent updates itself over the air, from dist/ under a service that starts it again; a bad version makes way by itself. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { type AgentView, type Payload, ServiceWorld } from "#test/lib/agent-service.ts";
import type { TreeOptions } from "#test/lib/agent-tree.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { until, World } from "#test/lib/world.ts";

const test = suite("integration/agent/update");
const LIMIT = { timeoutMs: 240_000 };
const ROUNDS = Number(process.env.LIGHTV_UPDATE_ROUNDS ?? 5);
/** About as long as an update takes here: kills fall into all of it. */
const UPDATE_MS = 3_000;
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
async function startCounter(world: ServiceWorld, name = "counter"): Promise<number> {
  await busyboxImage(world.box.root, { name: "base" });
  await world.fleetOk("push", "base");
  await world.fleetOk("deploy", world.device, name, "--image", "base", "--", ...COUNTER);
  return until("the counter to run", async () => {
    const report = await world.appReport(name);
    return report?.phase === "running" ? report.pid : undefined;
  });
}

/** It is the same process, was never started again, and each of its lines is in the log. */
async function countsOn(world: ServiceWorld, pid: number, name = "counter"): Promise<void> {
  const report = await world.appReport(name);
  assert.equal([report?.phase, report?.pid, report?.restarts], ["running", pid, 0]);
  const lines = (await world.box.ok("logs", report?.sandboxId ?? "")).split("\n").map(Number);
  assert.ok(lines.length > 100, `${lines.length} lines`);
  lines.forEach((line, at) => {
    assert.is(line, at);
  });
}

test(
  "from N to N+1 and on, under load: the new versions are in force, apps keep their processes and their logs have no gap",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    const before = await world.agentView();
    assert.equal([before?.slot, before?.phase], ["usr", "current"]);
    let other: number | undefined;
    for (const [version, slot] of [
      ["9.0.1", "a"],
      ["9.0.2", "b"],
      ["9.0.3", "a"],
    ] as const) {
      const { code, stdout, stderr } = await world.upgrade(await world.payload(version), "--wait", "--timeout", "90s");
      assert.is(code, 0, `${stdout}${stderr}${world.agentLog()}`);
      const view = await world.agentView();
      assert.equal([view?.version, view?.slot, view?.phase, view?.reason], [version, slot, "current", ""]);
      assert.match(await world.fleetOk("devices"), version);
      // A sandbox was started for it, and nothing of that is left.
      assert.not.match(world.agentLog(), /no sandbox was started on trial/);
      assert.not.match(await world.box.ok("ps", "-a"), /lightv-agent-proof/);
      await countsOn(world, pid);
      // Its monitor runs from slot a, which is overwritten while it does.
      if (other === undefined) other = await startCounter(world, "other");
      else await countsOn(world, other, "other");
    }
    // The launcher's choice outlives the process.
    world.killAgent();
    await until("another start", () => (world.ends.length >= 4 ? true : undefined));
    await world.agentIs("9.0.3 again", ({ version, phase }) => version === "9.0.3" && phase === "current");
    await until("the events", async () => ((await world.agentEvents()).length >= 6 ? true : undefined));
    const one = ["agent.update-started", "agent.updated"];
    assert.equal(await world.agentEvents(), [...one, ...one, ...one]);
    await world.box.ok("exec", (await world.appReport("other"))?.sandboxId ?? "", "/bin/true");
    await countsOn(world, pid);
    await countsOn(world, other ?? 0, "other");
    // Stopped and started by its monitor's own rules, still.
    await world.fleetOk("restart", world.device, "other");
  },
  LIMIT,
);

interface Bad {
  readonly what: string;
  readonly options: TreeOptions;
  readonly reason: RegExp;
}

const FAIL_THEIR_TRIAL: readonly Bad[] = [
  { what: "crashes at its start", options: { atStart: "kill -SEGV $$" }, reason: /signal SEGV ended it/ },
  { what: "exits at its start", options: { atStart: "exit 7" }, reason: /exited with status 7/ },
  { what: "hangs", options: { atStart: "exec sleep 1000" }, reason: /not reported after 12 s, and was killed/ },
  {
    what: "never connects",
    options: { atStart: 'set -- "$@" --mqtt-url mqtt://127.0.0.1:1' },
    reason: /has not reached the controller/,
  },
  {
    what: "can't start a sandbox",
    options: { atStart: 'set -- "$@" --monitor /bin/false' },
    reason: /could not start a sandbox: .*its monitor ended/,
  },
];

const CAN_NOT_BE_INSTALLED: readonly Bad[] = [
  { what: "does not start at all", options: { always: "echo broken >&2; exit 5" }, reason: /does not start: .*broken/ },
  { what: "lacks a file", options: { without: ["lib/lightv/lightv.node"] }, reason: /lightv\.node is missing/ },
  { what: "lacks its release", options: { without: ["lib/lightv/release.json"] }, reason: /no lib\/lightv\/release\.json/ },
  { what: "is another version than was signed", options: { release: { version: "8.8.8" } }, reason: /holds version 8\.8\.8/ },
  { what: "needs another Node", options: { release: { nodeSha256: "0".repeat(64) } }, reason: /needs Node .* another/ },
];

/** It fails, is reported, is not tried again by itself: not after a crash of the agent, and not when it is wanted once more. */
async function failsOnce(world: ServiceWorld, payload: Payload, { what, reason }: Bad, event: string): Promise<void> {
  const before = await world.agentEvents();
  const { code, stderr } = await world.upgrade(payload, "--wait", "--timeout", "90s");
  assert.is(code, 1, `${what}: ${stderr}${world.agentLog()}`);
  assert.match(stderr, reason);
  const view = await world.agentIs("the old one", ({ phase }) => phase === "failed");
  assert.equal([view.slot, view.wanted?.version], ["usr", payload.version], what);
  assert.match(view.reason, reason);
  const starts = world.ends.length;
  world.killAgent();
  await until("another start", () => (world.ends.length > starts ? true : undefined));
  await world.fleetOk("upgrade-agent", world.device, "--image", payload.file, "--signature", payload.signature);
  await until("its word", async () => {
    const now = await world.view();
    return now?.online && now.reported?.desiredRevision === now.desiredRevision ? true : undefined;
  });
  assert.is(world.ends.length, starts + 1, what);
  await until("its events", async () => ((await world.agentEvents()).length >= before.length + 2 ? true : undefined));
  assert.equal((await world.agentEvents()).slice(before.length), ["agent.update-started", event], what);
}

test(
  "a version that crashes, exits, hangs or never connects makes way by itself, is reported and is not tried twice; the app runs on",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    for (const [index, bad] of FAIL_THEIR_TRIAL.entries()) {
      const payload = await world.payload(`9.1.${index}`, bad.options);
      await failsOnce(world, payload, bad, "agent.rolled-back");
      await countsOn(world, pid);
      if (index > 0) continue;
      // Only when somebody says so is it tried again, and then once.
      const count = (await world.agentEvents()).length;
      assert.is((await world.upgrade(payload, "--wait", "--retry", "--timeout", "90s")).code, 1);
      await until("its events", async () => ((await world.agentEvents()).length >= count + 2 ? true : undefined));
      assert.equal((await world.agentEvents()).slice(count), ["agent.update-started", "agent.rolled-back"]);
    }
    // A good one is still welcome.
    assert.is((await world.upgrade(await world.payload("9.2.0"), "--wait", "--timeout", "90s")).code, 0, world.agentLog());
    await countsOn(world, pid);
  },
  LIMIT,
);

test(
  "a trial that falls into a time without any network has not failed: it is tried again once there is one, three times in all",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    const without = 'exec unshare --net "$0" "$@"';
    const flag = join(world.directory, "tried");
    const payload = await world.payload("9.7.0", { atStart: `[ -e ${flag} ] || { touch ${flag}; ${without}; }` });
    const { code, stderr } = await world.upgrade(payload, "--wait", "--timeout", "90s");
    assert.is(code, 0, `${stderr}${world.agentLog()}`);
    assert.match(world.agentLog(), /version 9\.7\.0 found no network, and will be tried again/);
    await until("the event", async () => ((await world.agentEvents()).length >= 2 ? true : undefined));
    assert.equal(await world.agentEvents(), ["agent.update-started", "agent.updated"]);
    await countsOn(world, pid);
    const never = await world.payload("9.7.1", { atStart: `[ -n "$CUT" ] || { export CUT=1; ${without}; }` });
    const failed = await world.upgrade(never, "--wait", "--timeout", "120s");
    assert.is(failed.code, 1, world.agentLog());
    assert.match(failed.stderr, /there was no network/);
    // Agents on trial that could not prove themselves: one of the version before, three of this.
    assert.is(world.ends.filter((end) => end === "3").length, 4);
    assert.is((await world.agentView())?.version, "9.7.0");
    await countsOn(world, pid);
  },
  LIMIT,
);

test(
  "a version in force whose files rot is given up after five starts, and that is reported; the app runs on, and nothing is tried twice",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    const payload = await world.payload("9.6.0");
    assert.is((await world.upgrade(payload, "--wait", "--timeout", "90s")).code, 0, world.agentLog());
    // Stops, and an agent that is killed after it was heard, count for nothing.
    for (let life = 0; life < 6; life++) {
      const starts = world.ends.length;
      world.killAgent();
      await until("another start", () => (world.ends.length > starts ? true : undefined));
      await world.heard();
    }
    assert.is((await world.agentView())?.slot, "a");
    const bundle = join(world.slots, "a/lib/lightv/lightvd.mjs");
    writeFileSync(bundle, `throw new Error("rotten");\n${" ".repeat(statSync(bundle).size)}`);
    const before = world.ends.length;
    world.killAgent();
    const view = await world.agentIs("the installed one", ({ slot, phase }) => slot === "usr" && phase === "failed");
    assert.match(view.reason, /version 9\.6\.0 was rolled back: it ended 5 times in a row .*exited with status 1/);
    assert.is(world.ends.length - before, 5);
    await until("its event", async () => ((await world.agentEvents()).at(-1) === "agent.rolled-back" ? true : undefined));
    assert.match(world.agentLog(), /version 9\.6\.0 is given up/);
    await countsOn(world, pid);
    // Wanted with the same attempt it is not taken; with another one it is, whole again.
    await world.fleetOk("upgrade-agent", world.device, "--image", payload.file, "--signature", payload.signature);
    await countsOn(world, pid);
    assert.is((await world.agentView())?.slot, "usr");
    assert.is((await world.upgrade(payload, "--wait", "--retry", "--timeout", "90s")).code, 0, world.agentLog());
    await countsOn(world, pid);
  },
  LIMIT,
);

test(
  "a version that is not whole, not what was signed or not for this Node is not even tried, and that is reported",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    for (const [index, bad] of CAN_NOT_BE_INSTALLED.entries())
      await failsOnce(world, await world.payload(`9.3.${index}`, bad.options), bad, "agent.update-failed");
    await countsOn(world, pid);
  },
  LIMIT,
);

test(
  "what is not signed by a key of the device is not even fetched",
  async (t) => {
    const world = await begin(t);
    const stranger = await world.makeKey("stranger", false);
    const foreign = await world.upgrade(await world.payload("9.4.0", { key: stranger }), "--wait", "--timeout", "60s");
    assert.is(foreign.code, 1);
    assert.match(foreign.stderr, /signed with key [0-9a-f]{16}, which is not in/);
    const good = await world.payload("9.4.1");
    await world.fleetOk("push", good.file);
    const signature = JSON.parse(readFileSync(good.signature, "utf8")) as Record<string, string>;
    const forged = await world.controller.raw("PUT", `/v1/devices/${world.device}/agent`, {
      ...signature,
      image: signature.digest,
      version: "9.4.2",
    });
    assert.is(forged.status, 200);
    await world.agentIs("the refusal", ({ reason }) => /signature of version 9\.4\.2 is wrong/.test(reason));
    const events = (await world.events()).map(({ type }) => type);
    assert.not(events.includes("image.pulled") || events.includes("agent.update-started"));
    // The controller's own checks.
    const other = await world.payload("9.4.3", { architecture: "arm64", release: { architecture: "arm64" } });
    const refused = await world.upgrade(other);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /is for arm64, and device-1 is amd64/);
    const mixed = await world.fleet("upgrade-agent", world.device, "--image", good.file, "--signature", other.signature);
    assert.match(mixed.stderr, /is the signature of sha256:/);
  },
  LIMIT,
);

test(
  "killed again and again at any moment of an update, it runs the version before or the new one, and goes on",
  async (t) => {
    const world = await begin(t);
    const pid = await startCounter(world);
    const payloads = [await world.payload("9.5.0"), await world.payload("9.5.1")];
    let updated = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const running = (await world.agentView())?.version;
      const payload = payloads.find(({ version }) => version !== running) ?? payloads[0];
      assert.ok(payload);
      await world.upgrade(payload, "--retry");
      for (let kill = 0; kill < 2; kill++) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * UPDATE_MS));
        world.killAgent();
      }
      const view = await world.agentIs("an end of the update", (now) => isOver(now, payload.version));
      // Killed on trial it has had its chance.
      if (view.version === payload.version) updated++;
      else assert.match(view.reason, /was rolled back: signal KILL ended it/);
      await countsOn(world, pid);
    }
    assert.ok(updated > 0, "no update at all got through");
  },
  { timeoutMs: 600_000 },
);

function isOver({ version, phase, wanted }: AgentView, target: string): boolean {
  return wanted === undefined ? version === target && phase === "current" : phase === "failed" && wanted.version === target;
}
