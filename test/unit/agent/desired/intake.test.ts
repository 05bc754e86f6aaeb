import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { DesiredState } from "#agent/desired/desired.ts";
import { Intake } from "#agent/desired/intake.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/desired/intake");
const AT = "2026-11-24T10:00:00Z";

function desired(revision: number, ...names: string[]): Desired {
  const image = { name: "a:1", digest: `sha256:${"0".repeat(64)}`, size: 1 };
  return { revision, issuedAt: AT, apps: names.map((name) => ({ name, image })) };
}

interface Rig {
  readonly root: string;
  readonly intake: Intake;
  readonly enforced: number[];
  readonly refused: string[];
  readonly errors: string[];
  /** The controller is to hear. */
  done: () => void;
  /** What happens instead of each pause. */
  pause: () => void;
}

function rig(t: TestContext): Rig {
  const root = mkdtempSync(join(tmpdir(), "lightv-intake-"));
  t.cleanup(() => rmSync(root, { recursive: true, force: true }));
  const none = (): void => undefined;
  const [enforced, refused, errors]: [number[], string[], string[]] = [[], [], []];
  const state = new DesiredState(root);
  const intake = new Intake({
    state,
    clock: { sleep: async () => made.pause() },
    log: { error: (text) => void errors.push(text), warn: none, info: none, debug: none },
    enforce: ({ revision }) => void enforced.push(revision),
    reject: (reason) => void refused.push(reason),
    done: () => made.done(),
    signal: t.signal,
  });
  const made: Rig = { root, intake, enforced, refused, errors, done: none, pause: none };
  return made;
}

test("states that come at once are taken in order, and an older one behind them is refused", async (t) => {
  const { root, intake, enforced, refused } = rig(t);
  mkdirSync(join(root, "agent"));
  for (const revision of [1, 2, 3, 1]) intake.offer(desired(revision, "a"));
  intake.offer(desired(4, "a", "a"));
  await intake.idle();
  assert.equal(enforced, [1, 2, 3]);
  assert.equal(refused, ["revision 1 is older than 3, which is in force", "revision 4 names app a twice"]);
  assert.is((JSON.parse(readFileSync(join(root, "agent", "desired.json"), "utf8")) as Desired).revision, 3);
});

test("what the disk does not take is tried again until it does", async (t) => {
  const made = rig(t);
  let pauses = 0;
  made.pause = () => {
    pauses += 1;
    // The directory that is missing stands for the room that is missing.
    if (pauses === 3) mkdirSync(join(made.root, "agent"));
  };
  made.intake.offer(desired(1, "a"));
  await made.intake.idle();
  assert.equal([pauses, made.enforced, made.errors.length], [3, [1], 3]);
  assert.is(made.intake.untaken, undefined);
});

test("while the disk does not take a state the controller hears of it before each pause, and which one it is", async (t) => {
  const made = rig(t);
  const heard: (string | undefined)[] = [];
  made.done = () => heard.push(made.intake.untaken?.reason);
  made.pause = () => {
    assert.is(heard.length, 1);
    assert.is(made.intake.untaken?.desired.revision, 1);
    mkdirSync(join(made.root, "agent"));
  };
  made.intake.offer(desired(1, "a"));
  await made.intake.idle();
  assert.is(heard.length, 2);
  assert.match(heard[0] ?? "", /^LV_INTERNAL: can't write .*desired\.json/);
  assert.is(heard[1], undefined);
});

test("a newer state takes the place of one that waits for the disk", async (t) => {
  const made = rig(t);
  made.pause = () => {
    made.intake.offer(desired(2, "b"));
    made.pause = () => mkdirSync(join(made.root, "agent"));
  };
  made.intake.offer(desired(1, "a"));
  await made.intake.idle();
  assert.equal(made.enforced, [2]);
});
