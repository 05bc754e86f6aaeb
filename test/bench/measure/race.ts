/** Times contestants against each other with the native programs, interleaved run by run. */
import type { Arena } from "../arena/arena.ts";
import type { Contestant } from "../contestants/contestant.ts";
import { interleave } from "./order.ts";
import { type Summary, summarize } from "./stats.ts";

/** What a contestant leaves the kernel to tear down is not charged to the one after it. */
export const PAUSE_MS = 20;

export interface Timed {
  readonly name: string;
  readonly own: boolean;
  /** Milliseconds of the runs that succeeded. */
  readonly samples: readonly number[];
  readonly time: Summary;
  readonly failures: number;
}

/** A line of the timing programs: index, nanoseconds, exit code. Lines that are none are ignored. */
export function gather(output: string, count: number): { samples: number[][]; failures: number[] } {
  const samples: number[][] = Array.from({ length: count }, () => []);
  const failures: number[] = Array.from({ length: count }, () => 0);
  for (const line of output.split("\n")) {
    const match = /^(\d+) (\d+) (\d+)$/.exec(line);
    const index = Number(match?.[1]);
    if (match === null || index >= count) continue;
    if (Number(match[3]) === 0) samples[index]?.push(Number(match[2]) / 1e6);
    else failures[index] = (failures[index] ?? 0) + 1;
  }
  return { samples, failures };
}

export async function race(arena: Arena, runners: readonly Contestant[], rounds: number): Promise<Timed[]> {
  const order = interleave(runners.map(() => rounds));
  const commands = runners.map(({ command }) => `${command.join("\t")}\n`).join("");
  const input = `${commands}\n${order.join("\n")}\n`;
  const output = await arena.native("timer", [PAUSE_MS], input);
  return timed(runners, output);
}

/** Names and samples together. */
export function timed(runners: readonly { name: string; own: boolean }[], output: string): Timed[] {
  const { samples, failures } = gather(output, runners.length);
  return runners.map(({ name, own }, i) => ({
    name,
    own,
    samples: samples[i] ?? [],
    time: summarize(samples[i] ?? []),
    failures: failures[i] ?? 0,
  }));
}

export interface BurstRun {
  /** Milliseconds from the beginning to when the run began, or should have, and from there to its end. */
  readonly at: number;
  readonly took: number;
  readonly ok: boolean;
}

export function parseBurst(output: string): BurstRun[] {
  return output.split("\n").flatMap((line) => {
    const match = /^(-?\d+) (\d+) (\d+)$/.exec(line);
    return match === null ? [] : [{ at: Number(match[1]) / 1e6, took: Number(match[2]) / 1e6, ok: match[3] === "0" }];
  });
}

/** `args` of burst.cpp. */
export async function burst(arena: Arena, command: readonly string[], args: readonly (string | number)[]): Promise<BurstRun[]> {
  const output = await arena.native("burst", args, `${command.join("\t")}\n`);
  return parseBurst(output);
}

/** From the beginning to the end of the last one, in milliseconds. */
export function wholeTime(runs: readonly BurstRun[]): number {
  return Math.max(0, ...runs.map(({ at, took }) => at + took));
}
