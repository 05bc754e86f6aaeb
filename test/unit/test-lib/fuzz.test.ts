/** The fuzzer finds what is planted, keeps the input, and makes the same run again from the same seed. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { chanceOf, mutate } from "#test/fuzz/lib/mutate.ts";
import { fuzz, type Verdict } from "#test/fuzz/lib/run.ts";
import { suite } from "#test/lib/suite.ts";

const test = suite("test-lib/fuzz");
const directory = mkdtempSync(join(tmpdir(), "lightv-fuzz-test-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));
const LONG = { timeoutMs: 120_000 };

/** Runs `body`, a function of `bytes`, as a target. */
async function planted(name: string, body: string, stuckMs?: number): Promise<Verdict> {
  const corpus = join(directory, name);
  mkdirSync(corpus);
  writeFileSync(join(corpus, "seed"), "xxxx");
  const module = join(directory, `${name}.mjs`);
  const target = `{ run: (bytes) => { ${body} }, words: ["word"], covers: [${JSON.stringify(directory)}], maxBytes: 64 }`;
  writeFileSync(module, `export const target = ${target};\n`);
  return fuzz({ module, corpus, seconds: 60, seed: 7, ...(stuckMs === undefined ? {} : { stuckMs }) });
}

test(
  "a failure three conditions deep is found by the code that inputs run, and its input fails again",
  async () => {
    const steps = "if (bytes[0] === 0x41) { if (bytes[1] === 0x42) { if (bytes[2] === 0x43) throw new Error('planted'); } }";
    const { error, input, units, blocks } = await planted("deep", steps);
    assert.match(error ?? "", /planted/);
    assert.is(Buffer.from(input ?? []).toString("latin1", 0, 3), "ABC");
    assert.ok(units > 1 && blocks > 1);
  },
  LONG,
);

test(
  "an input that never comes back is told, with the input",
  async () => {
    const { error, input } = await planted("stuck", "if (bytes.includes('word')) for (;;);", 1000);
    assert.match(error ?? "", /longer than 1 s/);
    assert.ok(Buffer.from(input ?? []).includes("word"));
  },
  LONG,
);

test("the same seed gives the same inputs, none longer than allowed, and the input they come from stays", () => {
  const from = Buffer.from("0123456789");
  const inputs = (seed: number): Buffer[] => {
    const chance = chanceOf(seed);
    return Array.from({ length: 200 }, () => mutate(from, [from], ["word"], 16, chance));
  };
  assert.equal(inputs(1), inputs(1));
  assert.not.equal(inputs(1), inputs(2));
  assert.ok(inputs(1).every((input) => input.length <= 16));
  assert.is(from.toString(), "0123456789");
});
