import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { writeFileAtomic } from "#agent/lib/atomic-file.ts";
import { equalJitterMs, fullJitterMs } from "#agent/lib/backoff.ts";
import { isLightvError } from "#agent/lib/errors.ts";
import { createLogger } from "#agent/lib/log.ts";
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

test("a log record is one line with a priority under journald, and can't be forged", () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", journald: true, write: (line) => lines.push(line), wall: () => "T" });
  log.error("bad\n<0>forged", { key: 'a "b"', n: 1 });
  log.debug("not shown");
  assert.equal(lines, ['<3>bad <0>forged key="a \\"b\\"" n=1\n']);
});
