/** The count of power cuts, kept in docs/power-cuts.json: one entry a run, written anew after each recovery, so that a run may be broken off. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TOP } from "#test/lib/command.ts";
import type { CutReport } from "../power-disk/store.ts";
import type { Activity, Stage } from "./activities.ts";

export const LEDGER = join(TOP, "docs", "power-cuts.json");

export type Moment = Exclude<Activity, "self-update"> | `self-update: ${Stage}` | "boot" | "recovery";

export interface Tally {
  cuts: number;
  /** Writes that were in the volatile cache at the cuts, and what became of them. */
  unflushedWrites: number;
  survived: number;
  torn: number;
  lost: number;
  failures: number;
}

export interface RunEntry {
  /** Day of the run. */
  readonly date: string;
  readonly platform: string;
  /** What the package was made from; the first runs did not note it. */
  readonly commit?: string;
  readonly acceleration: string;
  readonly seed: number;
  readonly cuts: number;
  /** Boots without a cut after those, each with all that must hold then; the other cuts were followed by one of the boot itself. */
  readonly recoveries?: number;
  /** Updates of the agent that were begun, and that the device gave up since each of its tries was cut off. */
  readonly selfUpdates?: { readonly begun: number; readonly givenUp: number };
  /** Cuts after which the device was not what it must be. */
  readonly failures: readonly { readonly cut: number; readonly seed: number; readonly what: readonly string[] }[];
  readonly devicesLost: number;
  /** Other outcomes of the same cuts, that were looked at from outside. */
  readonly outcomes: number;
  /** Of those, the ones whose file system was repaired only with answers (`fsck.repair=yes`). */
  readonly answered?: number;
  readonly events: number;
  /** Written to the disk by the whole device, and by the agent alone, while nothing happened. */
  readonly idleBytesPerHour?: { readonly device: number; readonly agent: number };
  readonly moments: Readonly<Partial<Record<Moment, Tally>>>;
}

export function addCut(tallies: Partial<Record<Moment, Tally>>, moment: Moment, { unflushedWrites, whole, torn, lost }: CutReport): void {
  const tally = tallies[moment] ?? { cuts: 0, unflushedWrites: 0, survived: 0, torn: 0, lost: 0, failures: 0 };
  tallies[moment] = {
    ...tally,
    cuts: tally.cuts + 1,
    unflushedWrites: tally.unflushedWrites + unflushedWrites,
    survived: tally.survived + whole,
    torn: tally.torn + torn,
    lost: tally.lost + lost,
  };
}

/** Puts a run into the file, in the place of what that run has written before, and gives the totals of each platform. */
export async function record(entry: RunEntry, file = LEDGER): Promise<Record<string, { cuts: number; failures: number }>> {
  const isSame = ({ date, platform, seed }: RunEntry): boolean => date === entry.date && platform === entry.platform && seed === entry.seed;
  const before = await readLedger(file);
  const at = before.findIndex(isSame);
  const runs = at < 0 ? [...before, entry] : before.with(at, entry);
  const totals: Record<string, { cuts: number; failures: number }> = {};
  for (const { platform, cuts, failures } of runs) {
    const total = totals[platform] ?? { cuts: 0, failures: 0 };
    totals[platform] = { cuts: total.cuts + cuts, failures: total.failures + failures.length };
  }
  // Another run may be reading it.
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify({ totals, runs }, undefined, 2)}\n`);
  await rename(draft, file);
  return totals;
}

async function readLedger(file: string): Promise<RunEntry[]> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? [] : (JSON.parse(text) as { runs: RunEntry[] }).runs;
}
