import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { believedUntil, nextFloor, TimeFloor } from "#agent/supervisor/time-floor.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/supervisor/time-floor");
const ANY = Number.POSITIVE_INFINITY;
const NOON = "2026-01-01T12:00:00.000Z";

async function stateDirectory(t: TestContext): Promise<{ root: string; file: string }> {
  const root = mkdtempSync(join(tmpdir(), "lightv-floor-"));
  t.cleanup(() => rmSync(root, { recursive: true }));
  await makePrivateDirectory(join(root, "agent"));
  return { root, file: join(root, "agent", "clock") };
}

test("is written when there is none, then once for each hour of the controller's time", () => {
  assert.is(nextFloor(NOON, Number.NaN, ANY), NOON);
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T11:00:01Z"), ANY), undefined);
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T11:00:00Z"), ANY), NOON);
});

test("a little behind what is stored is no news; far behind it puts right what was wrong", () => {
  assert.is(nextFloor(NOON, Date.parse("2026-01-01T13:00:00Z"), ANY), undefined);
  assert.is(nextFloor(NOON, Date.parse("2040-01-01T00:00:00Z"), ANY), NOON);
  assert.is(nextFloor("not a time", Number.NaN, ANY), undefined);
});

test("an agent that restarts does not write again, and a damaged file counts as none", async (t) => {
  const { root, file } = await stateDirectory(t);
  writeFileSync(file, "garbage");
  await Promise.all([new TimeFloor(root).hear(NOON, ANY)]);
  assert.is(readFileSync(file, "utf8"), `${NOON}\n`);
  const { ino } = statSync(file);
  const again = new TimeFloor(root);
  await Promise.all(["2026-01-01T12:30:00Z", "2026-01-01T12:59:00Z"].map((now) => again.hear(now, ANY)));
  assert.is(statSync(file).ino, ino);
  await again.hear("2026-01-01T13:00:00Z", ANY);
  assert.is(readFileSync(file, "utf8"), "2026-01-01T13:00:00.000Z\n");
});

test("a controller whose clock is years ahead moves it by a year of the device's own clock at most, however often it says so", () => {
  const wall = Date.parse(NOON);
  const limit = believedUntil(wall, undefined);
  assert.is(nextFloor("2040-01-01T00:00:00Z", wall, limit), "2027-01-02T12:00:00.000Z");
  assert.is(nextFloor("2040-01-01T01:00:00Z", limit, limit), undefined);
  // Put right by its next sane word.
  assert.is(nextFloor(NOON, limit, limit), NOON);
});

test("nor beyond what leaves the server's certificate good: with that floor as its clock the device connects again", () => {
  const wall = Date.parse(NOON);
  const end = Date.parse("2026-03-01T00:00:00Z");
  assert.is(nextFloor("2033-01-01T00:00:00Z", Number.NaN, believedUntil(wall, end)), "2026-02-28T00:00:00.000Z");
  // One that ends today moves nothing.
  assert.is(nextFloor("2033-01-01T00:00:00Z", wall, believedUntil(wall, wall + 1000)), undefined);
});

test("a floor that is behind what can be believed just now stays", () => {
  const stored = Date.parse("2030-01-01T00:00:00Z");
  assert.is(nextFloor("2031-01-01T00:00:00Z", stored, believedUntil(0, undefined)), undefined);
});
