/** Start times: whole commands, interleaved run by run in one process that does nothing else. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Contestant, Workplace } from "./contestants.ts";
import { type Summary, summarize } from "./stats.ts";

export interface StartRow {
  readonly name: string;
  /** Milliseconds. */
  readonly time: Summary;
  readonly failures: number;
}

/** Runs each contestant `rounds` times. One that fails in a first single run is left out, with what it printed as the reason. */
export function measureStarts(place: Workplace, all: readonly Contestant[], rounds: number): { rows: StartRow[]; missing: string[] } {
  const missing: string[] = [];
  const runners: { name: string; command: readonly string[] }[] = [];
  for (const { name, command, missing: reason } of all) {
    if (command === undefined) {
      missing.push(`${name}: ${reason ?? "not here"}`);
      continue;
    }
    const [program = "", ...args] = command;
    const trial = spawnSync(program, args, { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });
    if (trial.status === 0) runners.push({ name, command });
    else missing.push(`${name}: does not run here: ${(trial.stderr || trial.error?.message || "").trim().split("\n").at(-1)}`);
  }
  const input = runners.map(({ command }) => `${command.join("\t")}\n`).join("");
  const timed = spawnSync(join(place.directory, "timer"), [String(rounds)], { input, encoding: "utf8", maxBuffer: 1 << 26 });
  if (timed.status !== 0) throw new Error(`the timer failed: ${timed.stderr || timed.error?.message}`);
  const samples = runners.map((): { times: number[]; failures: number } => ({ times: [], failures: 0 }));
  for (const line of timed.stdout.trim().split("\n")) {
    const [index, nanoseconds, exitCode] = line.split(" ").map(Number);
    const sample = samples[index ?? -1];
    if (sample === undefined || nanoseconds === undefined) continue;
    if (exitCode === 0) sample.times.push(nanoseconds / 1e6);
    else sample.failures += 1;
  }
  return { rows: runners.map(({ name }, i) => ({ name, time: summarize(samples[i]?.times ?? []), failures: samples[i]?.failures ?? 0 })), missing };
}
