/** Lint, the native tests and the fuzzers, as outcomes. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lint, sources } from "../../cross-build/lint.ts";
import { buildNative } from "../../cross-build/native.ts";
import { capture, type Outcome } from "./run-suites.ts";

export async function runLint(): Promise<Outcome[]> {
  const results = await lint(false);
  return results.map(({ name, ok, output }) => ({ name: `lint/${name}`, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output }));
}

/** doctest's own count, from its summary line; a sanitizer's report ends the process with another code. */
export async function runNative(top: string): Promise<Outcome[]> {
  const directory = buildNative(top, "asan");
  const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS: "print_stacktrace=1" };
  const { code, output } = await capture(join(directory, "lightv-tests"), ["--no-colors"], undefined, env);
  const summary = /test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/.exec(output);
  const [passed, failed] = [Number(summary?.[2] ?? 0), Number(summary?.[3] ?? 0)];
  const broken = code !== 0 && failed === 0 ? 1 : 0;
  const skipped = [...output.matchAll(/^SKIPPED (.*)$/gm)].map((match) => `native: ${match[1]}`);
  return [
    {
      name: "native (ASan, UBSan)",
      passed: passed - skipped.length,
      failed: failed + broken,
      skipped,
      output: `${output}\nexit code ${code}`,
    },
  ];
}

/** Each target for `seconds`, from its kept corpus, all at once. */
export async function runFuzzers(top: string, seconds: number): Promise<Outcome[]> {
  const names = sources("test/fuzz/*.cpp").map((file) => file.replace(/^.*\/|\.cpp$/g, ""));
  if (names.length === 0) return [];
  const directory = buildNative(top, "fuzz");
  return Promise.all(names.map((name) => fuzzOne(top, directory, name, seconds)));
}

async function fuzzOne(top: string, directory: string, name: string, seconds: number): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), `lightv-fuzz-${name}-`));
  try {
    const corpus = join(top, "test", "fuzz", "corpus", name);
    mkdirSync(join(work, "corpus"));
    if (existsSync(corpus)) cpSync(corpus, join(work, "corpus"), { recursive: true });
    const args = [
      join(work, "corpus"),
      `-max_total_time=${seconds}`,
      "-timeout=10",
      "-rss_limit_mb=2048",
      `-artifact_prefix=${work}/`,
      "-print_final_stats=1",
    ];
    const { code, output } = await capture(join(directory, `fuzz-${name}`), args, (seconds + 120) * 1000);
    const units = /number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? "0";
    const ok = code === 0 && Number(units) > 0;
    return { name: `fuzz/${name} (${units} inputs in ${seconds} s)`, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
