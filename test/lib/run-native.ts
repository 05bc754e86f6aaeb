/** Lint, the native tests and the fuzzers, as outcomes. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lint, sources } from "../../cross-build/lint.ts";
import { buildNative } from "../../cross-build/native.ts";
import { doctest } from "./doctest.ts";
import { runOlderKernels } from "./older-kernels.ts";
import { capture, type Outcome } from "./run-suites.ts";

export async function runLint(): Promise<Outcome[]> {
  const results = await lint(false);
  return results.map(({ name, ok, output }) => ({ name: `lint/${name}`, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output }));
}

/** All native tests, then those that older kernels concern on what seem to be such. */
export async function runNative(top: string): Promise<Outcome[]> {
  const directory = buildNative(top, "asan");
  return [await doctest("native (ASan, UBSan)", join(directory, "lightv-tests"), ["--no-colors"]), ...(await runOlderKernels(directory))];
}

/** Each target for `seconds`, from its kept corpus, all at once. */
export async function runFuzzers(top: string, seconds: number): Promise<Outcome[]> {
  const names = (pattern: string): string[] => sources(pattern).map((file) => file.replace(/^.*\/|\.\w+$/g, ""));
  const directory = buildNative(top, "fuzz");
  return Promise.all([
    ...names("test/fuzz/*.cpp").map((name) => fuzzOne(top, directory, name, seconds)),
    ...names("test/fuzz/agent/*.ts").map((name) => fuzzAgent(top, name, seconds)),
  ]);
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
    return verdict(name, seconds, code, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A target in TypeScript: its own runner keeps an input that fails. */
async function fuzzAgent(top: string, name: string, seconds: number): Promise<Outcome> {
  const args = ["--disable-warning=ExperimentalWarning", join(top, "test/fuzz/lib/run.ts"), name, String(seconds)];
  const { code, output } = await capture(process.execPath, args, (seconds + 120) * 1000);
  return verdict(`agent/${name}`, seconds, code, output);
}

function verdict(name: string, seconds: number, code: number | null, output: string): Outcome {
  const units = /number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? "0";
  const ok = code === 0 && Number(units) > 0;
  return { name: `fuzz/${name} (${units} inputs in ${seconds} s)`, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output };
}
