import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { capture, count } from "#test/lib/run-suites.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("test/lib/run-suites");
const lib = import.meta.resolve("#test/lib/suite.ts");

/** Runs a suite's source in a process of its own and gives the runner's verdict on it. */
async function verdict(cleanup: (undo: () => unknown) => void, body: string) {
  const directory = await mkdtemp(join(tmpdir(), "lightv-suite-"));
  cleanup(() => rm(directory, { recursive: true }));
  const file = join(directory, "case.ts");
  writeFileSync(file, `import { suite } from ${JSON.stringify(lib)}; const test = suite("case");\n${body}`);
  const env = { ...process.env };
  delete env["CI"];
  const { code, output } = await capture(process.execPath, [file], 20_000, env);
  return count("case", code, output);
}

test("counts what passed, failed and was skipped with its reason", async (t) => {
  const outcome = await verdict(
    t.cleanup,
    `test("a", () => {}); test("b", () => { throw new Error("no"); }); test("c", (t) => t.skip("why"));`,
  );
  assert.equal([outcome.passed, outcome.failed, outcome.skipped], [1, 1, ["case: c: why"]]);
});

test("a hook that throws is a failure", async (t) => {
  const before = await verdict(t.cleanup, `test.before(() => { throw new Error("no"); }); test("a", () => {});`);
  assert.is(before.failed, 1);
  const after = await verdict(t.cleanup, `test.after(() => { throw new Error("no"); }); test("a", () => {});`);
  assert.is(after.failed, 1);
});

test("a file without a test is a failure", async (t) => {
  assert.is((await verdict(t.cleanup, "")).failed, 1);
});

test("a test that never ends is a failure after its time", async (t) => {
  const outcome = await verdict(
    t.cleanup,
    `test("a", () => new Promise(() => { setInterval(() => {}, 1000); }), { timeoutMs: 200 }); setTimeout(() => process.exit(1), 5000);`,
  );
  assert.ok(outcome.failed > 0);
});

test("a test hidden by an only is a failure", async (t) => {
  const outcome = await verdict(t.cleanup, `test("a", () => { throw new Error("hidden"); }); test.only("b", () => {});`);
  assert.ok(outcome.failed > 0, outcome.output);
});

test("a process that dies in the middle is a failure", async (t) => {
  const outcome = await verdict(t.cleanup, `test("a", () => { process.exit(0); }); test("b", () => {});`);
  assert.ok(outcome.failed > 0);
});
