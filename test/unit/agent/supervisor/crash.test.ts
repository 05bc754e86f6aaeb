/** The agent dies before and after every single call to the engine; the next one must get to the same end, and tell it once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { App } from "#agent/wire/protocol/app.ts";
import { app, Rig } from "#test/lib/agent-rig.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("agent/supervisor crash");

/** Each scenario: what was there and has proved good, and what is desired then. */
const SCENARIOS: Readonly<Record<string, { before: App[]; after: App[]; runs: string[] }>> = {
  deploy: { before: [], after: [app("web", 1), app("db", 2)], runs: ["db 2", "web 1"] },
  update: { before: [app("web", 1)], after: [app("web", 2)], runs: ["web 2"] },
  remove: { before: [app("web", 1), app("db", 2)], after: [app("db", 2)], runs: ["db 2"] },
  rollback: { before: [app("web", 1)], after: [app("web", 2, { command: ["missing"] })], runs: ["web 1"] },
};

async function scenario(name: string, file: string, killAt: number, afterCall: boolean): Promise<{ calls: number; rig: Rig }> {
  const { before, after } = SCENARIOS[name] ?? { before: [], after: [] };
  const r = new Rig({ databaseFile: file });
  r.native.behaviour.set("missing", "not-found");
  await r.start();
  await r.desire(1, ...before);
  await r.clock.advance(15_000);
  let calls = 0;
  let killed = false;
  const die = (): void => {
    killed = true;
    r.kill();
  };
  r.native.beforeCall = () => {
    if (killed) throw new Error("the agent is dead");
    if (calls++ !== killAt) return;
    if (!afterCall) {
      die();
      throw new Error("the agent is dead");
    }
    queueMicrotask(die);
  };
  await r.desire(2, ...after);
  await r.clock.advance(200);
  const total = calls;
  r.native.beforeCall = () => undefined;
  await r.restart(2, ...after);
  await r.clock.advance(120_000);
  return { calls: total, rig: r };
}

function check(name: string, r: Rig, where: string): void {
  const running = r.native
    .running()
    .map((sandbox) => `${sandbox.annotations["lightv.app"]} ${Number.parseInt(sandbox.imageDigest.slice(7), 16)}`);
  assert.equal(running.sort(), SCENARIOS[name]?.runs, `${name} ${where}: what runs`);
  assert.is(r.native.sandboxes.size, running.length, `${name} ${where}: nothing is left over`);
  const events = r.events();
  const started = r.native.starts;
  assert.is(events.filter((event) => event.type === "app.started").length, started, `${name} ${where}: a start is told once`);
  const ended = started - running.length;
  assert.is(events.filter((event) => event.type === "app.exited").length, ended, `${name} ${where}: an end is told once`);
  assert.equal(
    events.map((event) => event.seq),
    events.map((_, index) => index + 1),
  );
}

for (const name of Object.keys(SCENARIOS)) {
  test(`${name}: an end at any call leads to the same state`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "lightv-crash-"));
    t.cleanup(() => rmSync(directory, { recursive: true }));
    const { calls: points } = await scenario(name, join(directory, "whole.db"), -1, false);
    for (let at = 0; at < points; at++) {
      for (const afterCall of [false, true]) {
        const { rig } = await scenario(name, join(directory, `${at}-${afterCall}.db`), at, afterCall);
        check(name, rig, `killed ${afterCall ? "after" : "before"} call ${at} of ${points}`);
        await rig.supervisor.stop();
        rig.database.close();
      }
    }
    assert.ok(points >= 2, `${points} calls`);
  });
}
