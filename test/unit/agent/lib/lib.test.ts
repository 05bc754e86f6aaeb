import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { equalJitterMs, fullJitterMs } from "#agent/lib/backoff.ts";
import { followLog, parseCriLine, readLog, tailLog } from "#agent/lib/cri-log.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { createLogger } from "#agent/lib/log.ts";
import { BoundedQueue } from "#agent/lib/queue.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/lib");

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "lightv-lib-"));
  t.cleanup(() => rmSync(made, { recursive: true }));
  return made;
}

test("full jitter lies between nothing and a bound that doubles up to the longest delay", () => {
  const range = { minMs: 100, maxMs: 1000 };
  assert.is(
    fullJitterMs(0, range, () => 0),
    0,
  );
  assert.equal(
    [0, 1, 2, 3, 4, 50, 5000].map((attempt) => fullJitterMs(attempt, range, () => 0.999)),
    [99, 199, 399, 799, 999, 999, 999],
  );
});

test("equal jitter never comes at once", () => {
  assert.is(
    equalJitterMs(0, { minMs: 1000, maxMs: 5000 }, () => 0),
    500,
  );
});

test("a file is replaced whole, with its mode, and nothing is left beside it", async (t) => {
  const dir = directory(t);
  const file = join(dir, "state.json");
  await writeFileAtomic(file, "one");
  await writeFileAtomic(file, "two");
  assert.is(readFileSync(file, "utf8"), "two");
  assert.equal(readdirSync(dir), ["state.json"]);
});

test("a file that can't be written is an error that names it, and the old one stays", async (t) => {
  const dir = directory(t);
  const error = await writeFileAtomic(join(dir, "none", "state.json"), "x").catch((caught: unknown) => caught);
  assert.ok(isLightvError(error));
  assert.match(error.message, /none\/state\.json/);
});

test("a bounded queue refuses what does not fit", () => {
  const queue = new BoundedQueue<number>(2);
  assert.equal([queue.push(1), queue.push(2), queue.push(3)], [true, true, false]);
  assert.equal([queue.shift(), queue.shift(), queue.shift()], [1, 2, undefined]);
});

test("a log record is one line with a priority under journald, and can't be forged", () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", journald: true, write: (line) => lines.push(line), wall: () => "T" });
  log.error("bad\n<0>forged", { key: 'a "b"', n: 1 });
  log.debug("not shown");
  assert.equal(lines, ['<3>bad <0>forged key="a \\"b\\"" n=1\n']);
});

const T = "2026-01-01T00:00:00.000000000Z";

test("reads CRI lines, also partial, empty and torn ones", () => {
  assert.equal(parseCriLine(`${T} stdout F hello world`, 3), { seq: 3, at: T, stream: "stdout", partial: false, text: "hello world" });
  assert.is(parseCriLine(`${T} stderr P half`, 0)?.partial, true);
  assert.is(parseCriLine(`${T} stdout F `, 0)?.text, "");
  assert.is(parseCriLine(`${T} stdo`, 0), undefined);
});

test("reads rotated logs in order, and the last lines of them", async (t) => {
  const log = join(directory(t), "log");
  writeFileSync(`${log}.2`, `${T} stdout F 0\n`);
  writeFileSync(`${log}.1`, `${T} stdout F 1\n${T} stderr F 2\n`);
  writeFileSync(log, `${T} stdout F 3\n`);
  const texts: string[] = [];
  for await (const line of readLog(log)) texts.push(`${line.seq} ${line.text}`);
  assert.equal(texts, ["0 0", "1 1", "2 2", "3 3"]);
  assert.equal(
    (await tailLog(log, 2)).map((line) => line.text),
    ["2", "3"],
  );
  assert.equal(await tailLog(`${log}-none`, 2), []);
});

test("follows a log across a rotation, whole lines only, characters whole", async (t) => {
  const log = join(directory(t), "log");
  writeFileSync(log, `${T} stdout F old\n`);
  const follower = await followLog(log);
  t.cleanup(() => follower.close());
  appendFileSync(log, Buffer.from(`${T} stdout F \u00e9`).subarray(0, -1));
  assert.equal(await follower.read(), []);
  appendFileSync(log, Buffer.concat([Buffer.from("\u00e9").subarray(1), Buffer.from("\n")]));
  appendFileSync(log, `${T} stdout F last\n`);
  renameSync(log, `${log}.1`);
  writeFileSync(log, `${T} stdout F new\n`);
  assert.equal(
    (await follower.read()).map((line) => line.text),
    ["\u00e9", "last", "new"],
  );
});
