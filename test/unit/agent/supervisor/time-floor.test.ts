import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { nextFloor, TimeFloor } from "#agent/supervisor/time-floor.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/supervisor/time-floor");
const NOON = "2026-01-01T12:00:00.000Z";

async function stateDirectory(t: TestContext): Promise<{ root: string; file: string }> {
  const root = mkdtempSync(join(tmpdir(), "lightv-floor-"));
  t.cleanup(() => rmSync(root, { recursive: true }));
  await makePrivateDirectory(join(root, "agent"));
  return { root, file: join(root, "agent", "clock") };
}

test("is written when there is none, then once for each hour of the controller's time", () => {
  assert.is(nextFloor(NOON, Number.NaN), NOON);
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T11:00:01Z")), undefined);
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T11:00:00Z")), NOON);
});

test("a little behind what is stored is no news; far behind it puts right what was wrong", () => {
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T13:00:00Z")), undefined);
  assert.is(nextFloor(NOON, Date.parse("2040-01-01T00:00:00Z")), NOON);
  assert.is(nextFloor("not a time", Number.NaN), undefined);
});

test("an agent that restarts does not write again, and a damaged file counts as none", async (t) => {
  const { root, file } = await stateDirectory(t);
  writeFileSync(file, "garbage");
  await Promise.all([new TimeFloor(root).hear(NOON)]);
  assert.is(readFileSync(file, "utf8"), `${NOON}\n`);
  const { ino } = statSync(file);
  const again = new TimeFloor(root);
  await Promise.all(["2026-01-01T12:30:00Z", "2026-01-01T12:59:00Z"].map((now) => again.hear(now)));
  assert.is(statSync(file).ino, ino);
  await again.hear("2026-01-01T13:00:00Z");
  assert.is(readFileSync(file, "utf8"), "2026-01-01T13:00:00.000Z\n");
});
