/**
 * What is done when the device runs short of memory: a ladder, one rung at a time, up while it lasts and down again when it has been calm.
 * First the lowest class is slowed down, then it is stopped ("parked"), then the next class; the critical one never. Pure.
 */
import type { Priority } from "#agent/wire/protocol/priority.ts";
import { GIVE_WAY } from "./priority.ts";

/** As the kernel tells it: Documentation/accounting/psi.rst and proc(5), meminfo. */
export interface Reading {
  /** Percent of the last ten seconds in which some task, or all of them, waited for memory; undefined: this kernel does not tell. */
  readonly someAvg10: number | undefined;
  readonly fullAvg10: number | undefined;
  readonly availableBytes: number;
  readonly totalBytes: number;
}

export interface Ladder {
  /** 0: nothing is done; 2n-1: the first n classes of GIVE_WAY give way, the last of them slowed down; 2n: the last of them is parked too. */
  readonly rung: number;
  /** When the rung last changed, and since when it has been calm without a break, in monotonic milliseconds. */
  readonly changedAtMs: number;
  readonly cameDown: boolean;
  readonly calmSinceMs: number | undefined;
  /** How long it must be calm before one rung is given back: doubles when the shortage comes back at once. */
  readonly patienceMs: number;
}

/** What holds for a class of apps now. */
export type Strain = "none" | "throttled" | "parked";

const TOP = GIVE_WAY.length * 2;
/** A rung must have had time to show in the ten-second average. */
const CLIMB_MS = 10_000;
const PATIENCE_MS = 60_000;
const LONGEST_PATIENCE_MS = 1_800_000;

const SOME_STRAINED = 40;
const FULL_STRAINED = 10;
const SOME_CALM = 5;
const FULL_CALM = 1;
/** Available: a share of all, and never less than what a kernel and its services need in order to run at all. */
const MIB = 1024 * 1024;
const STRAINED = { share: 0.03, bytes: 16 * MIB };
const CALM = { share: 0.08, bytes: 32 * MIB };
const FAR = { share: 0.16, bytes: 64 * MIB };

function hasMore({ availableBytes, totalBytes }: Reading, than: typeof STRAINED): boolean {
  return availableBytes > Math.max(than.bytes, totalBytes * than.share);
}

export const GROUND: Ladder = {
  rung: 0,
  changedAtMs: Number.NEGATIVE_INFINITY,
  cameDown: false,
  calmSinceMs: undefined,
  patienceMs: PATIENCE_MS,
};

export function isStrained(reading: Reading): boolean {
  const { someAvg10 = 0, fullAvg10 = 0 } = reading;
  return someAvg10 >= SOME_STRAINED || fullAvg10 >= FULL_STRAINED || !hasMore(reading, STRAINED);
}

export function isCalm(reading: Reading): boolean {
  const { someAvg10 = 0, fullAvg10 = 0 } = reading;
  return someAvg10 < SOME_CALM && fullAvg10 < FULL_CALM && hasMore(reading, CALM);
}

/** So far from a shortage that a look now and then is enough. */
export function isFar(reading: Reading): boolean {
  return isCalm(reading) && hasMore(reading, FAR);
}

/** The ladder after one more reading; the same object when nothing has changed. */
export function climb(ladder: Ladder, reading: Reading, nowMs: number): Ladder {
  if (isStrained(reading)) return up(ladder, nowMs);
  if (!isCalm(reading)) return ladder.calmSinceMs === undefined ? ladder : { ...ladder, calmSinceMs: undefined };
  if (ladder.rung === 0) return ladder;
  const calmSinceMs = ladder.calmSinceMs ?? nowMs;
  if (nowMs - calmSinceMs < ladder.patienceMs) return calmSinceMs === ladder.calmSinceMs ? ladder : { ...ladder, calmSinceMs };
  return { ...ladder, rung: ladder.rung - 1, changedAtMs: nowMs, cameDown: true, calmSinceMs: nowMs };
}

function up(ladder: Ladder, nowMs: number): Ladder {
  const calm = ladder.calmSinceMs === undefined ? ladder : { ...ladder, calmSinceMs: undefined };
  if (ladder.rung === TOP || nowMs - ladder.changedAtMs < CLIMB_MS) return calm;
  // Short again soon after a rung was given back: what came back is what it has no room for.
  const relapse = ladder.cameDown && nowMs - ladder.changedAtMs < 2 * ladder.patienceMs;
  const patienceMs = relapse ? Math.min(ladder.patienceMs * 2, LONGEST_PATIENCE_MS) : ladder.rung === 0 ? PATIENCE_MS : ladder.patienceMs;
  return { rung: ladder.rung + 1, changedAtMs: nowMs, cameDown: false, calmSinceMs: undefined, patienceMs };
}

export function strainOf(rung: number, priority: Priority): Strain {
  const index = GIVE_WAY.indexOf(priority);
  if (index < 0) return "none";
  return rung >= 2 * index + 2 ? "parked" : rung >= 2 * index + 1 ? "throttled" : "none";
}

/** For people, with the numbers. */
export function describeReading({ someAvg10, fullAvg10, availableBytes, totalBytes }: Reading): string {
  const mib = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
  const stalls =
    someAvg10 === undefined ? "" : `, tasks waited for memory ${someAvg10} % of the last ten seconds (all of them ${fullAvg10} %)`;
  return `${mib(availableBytes)} of ${mib(totalBytes)} are available${stalls}`;
}
