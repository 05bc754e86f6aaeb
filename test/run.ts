/**
 * `npm test [part …]`: lint, native tests under ASan and UBSan, fuzzing, and every *.test.ts in a process of its own.
 * The last line is `N passed, N failed, N skipped`. Parts: lint native fuzz style unit contract integration fault.
 */
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { runFuzzers, runLint, runNative } from "./lib/run-native.ts";
import { type Outcome, print, runFiles } from "./lib/run-suites.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const FUZZ_SECONDS = Number(process.env.LIGHTV_FUZZ_SECONDS ?? 60);

/** Unit tests may run side by side; what touches the kernel's tables counts them, and must be alone. */
const PARTS: Readonly<Record<string, () => Promise<Outcome[]>>> = {
  style: () => runFiles(top, "style", 1),
  unit: () => runFiles(top, "unit", availableParallelism()),
  contract: () => runFiles(top, "contract", availableParallelism()),
  integration: () => runFiles(top, "integration", 1),
  fault: () => runFiles(top, "fault", 1),
  native: () => runNative(top),
  lint: () => runLint(),
  fuzz: () => runFuzzers(top, FUZZ_SECONDS),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !(part in PARTS));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(" ")} (there are: ${Object.keys(PARTS).join(" ")})`);
  process.exit(2);
}

const outcomes: Outcome[] = [];
for (const [part, run] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(part)) continue;
  const started = performance.now();
  const results = await run().catch((error: unknown): Outcome[] => [
    { name: part, passed: 0, failed: 1, skipped: [], output: error instanceof Error ? (error.stack ?? error.message) : String(error) },
  ]);
  for (const result of results) print(result);
  console.log(`-- ${part}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  outcomes.push(...results);
}

const sum = (pick: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + pick(outcome), 0);
const [passed, failed, skipped] = [sum((o) => o.passed), sum((o) => o.failed), sum((o) => o.skipped.length)];
if (failed > 0)
  console.log(
    `\nfailed: ${outcomes
      .filter((o) => o.failed > 0)
      .map((o) => o.name)
      .join(", ")}`,
  );
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
