/** Logs as the monitor leaves them: rotated by link and rename, with an index of their lines' numbers. */
import { appendFileSync, linkSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { LogReader, parseCriLine, parseLogIndex } from "#agent/lib/cri-log.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/lib/cri-log");
const T = "2026-01-01T00:00:00.000000000Z";
const ALL = [1000, 1 << 20] as const;

function line(text: string | number): string {
  return `${T} stdout F ${text}\n`;
}

function logIn(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "lightv-log-"));
  t.cleanup(() => rmSync(made, { recursive: true }));
  return join(made, "log");
}

function reader(t: TestContext, log: string): LogReader {
  const made = new LogReader(log);
  t.cleanup(() => made.close());
  return made;
}

/** Files in the order of the index: the newest first, each with its first line's number. */
function index(...rows: readonly (readonly [string, number])[]): void {
  const [[newest] = [""]] = rows;
  writeFileSync(join(dirname(newest), "index"), rows.map(([file, first]) => `${statSync(file).ino} ${first}\n`).join(""));
}

async function seen(found: Promise<readonly { seq: number; text: string }[]>): Promise<string[]> {
  return (await found).map(({ seq, text }) => `${seq} ${text}`);
}

test("reads CRI lines, also partial, empty and torn ones", () => {
  assert.equal(parseCriLine(`${T} stdout F hello world`, 3), { seq: 3, at: T, stream: "stdout", partial: false, text: "hello world" });
  assert.is(parseCriLine(`${T} stderr P half`, 0)?.partial, true);
  assert.is(parseCriLine(`${T} stdout F `, 0)?.text, "");
  assert.is(parseCriLine(`${T} stdo`, 0), undefined);
});

test("reads the index, and passes over what is no row", () => {
  assert.equal(
    [...parseLogIndex("12 700\n11 0\n\nx 1\n13\n")],
    [
      [12, 700],
      [11, 0],
    ],
  );
});

test("reads rotated logs in order, numbered by the index", async (t) => {
  const log = logIn(t);
  writeFileSync(`${log}.2`, line("a"));
  writeFileSync(`${log}.1`, line("b") + line("c"));
  writeFileSync(log, line("d"));
  index([log, 503], [`${log}.1`, 501], [`${log}.2`, 500]);
  assert.equal(await seen(reader(t, log).tail(...ALL)), ["500 a", "501 b", "502 c", "503 d"]);
  assert.equal(await seen(reader(t, log).tail(2, 1000)), ["502 c", "503 d"]);
  assert.equal(await reader(t, `${log}-none`).tail(...ALL), []);
});

test("a line keeps its number when rotation has dropped what was before it", async (t) => {
  const log = logIn(t);
  writeFileSync(`${log}.1`, line("old"));
  writeFileSync(log, line("kept"));
  index([log, 1], [`${log}.1`, 0]);
  const before = await seen(reader(t, log).tail(1, 1000));
  renameSync(log, `${log}.1`);
  writeFileSync(log, line("new"));
  index([log, 2], [`${log}.1`, 1]);
  assert.equal(await seen(reader(t, log).tail(...ALL)), [...before, "2 new"]);
});

test("a line that is in no form is passed over, and counts all the same", async (t) => {
  const log = logIn(t);
  writeFileSync(log, `${line("a")}\0\0\0\n${line("b")}`);
  index([log, 10]);
  assert.equal(await seen(reader(t, log).tail(...ALL)), ["10 a", "12 b"]);
});

test("the last lines are bounded in bytes as well", async (t) => {
  const log = logIn(t);
  writeFileSync(log, Array.from({ length: 3000 }, (_, n) => line(`${n}`.padEnd(1000))).join(""));
  index([log, 0]);
  const lines = await reader(t, log).tail(10_000, 5000);
  assert.equal(
    lines.map(({ seq }) => seq),
    [2995, 2996, 2997, 2998, 2999],
  );
});

test("follows over several rotations, whole lines only, characters whole, none lost or doubled", async (t) => {
  const log = logIn(t);
  writeFileSync(log, line("old"));
  index([log, 0]);
  const follower = reader(t, log);
  assert.equal(await seen(follower.tail(...ALL)), ["0 old"]);
  appendFileSync(log, Buffer.from(`${T} stdout F \u00e9`).subarray(0, -1));
  assert.equal(await follower.read(), []);
  appendFileSync(log, Buffer.concat([Buffer.from("\u00e9").subarray(1), Buffer.from("\n")]));
  renameSync(log, `${log}.2`);
  writeFileSync(`${log}.1`, line("between"));
  writeFileSync(log, line("new"));
  index([log, 3], [`${log}.1`, 2], [`${log}.2`, 0]);
  assert.equal(await seen(follower.read()), ["1 \u00e9", "2 between", "3 new"]);
  assert.equal(await follower.read(), []);
});

test("meets a rotation half done: one file under two names, and then under its second only", async (t) => {
  const log = logIn(t);
  writeFileSync(log, line("a"));
  index([log, 0]);
  linkSync(log, `${log}.1`);
  const follower = reader(t, log);
  assert.equal(await seen(follower.tail(...ALL)), ["0 a"]);
  rmSync(log);
  appendFileSync(`${log}.1`, line("b"));
  assert.equal(await seen(follower.read()), ["1 b"]);
  writeFileSync(log, line("c"));
  index([log, 2], [`${log}.1`, 0]);
  assert.equal(await seen(follower.read()), ["2 c"]);
});
