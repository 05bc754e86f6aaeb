/** How an app's record changes with what happens to it. Pure: time and chance arrive as arguments. */
import { equalJitterMs, type Random } from "#agent/lib/backoff.ts";
import type { Code } from "#agent/wire/codes.ts";
import type { RestartRule } from "#agent/wire/protocol/app.ts";
import type { ExitReport } from "#agent/wire/protocol/reported.ts";
import type { AppRecord, Moment, OwnSandbox, Target, Timing } from "./model.ts";

export interface Chance {
  readonly now: Moment;
  readonly random: Random;
  readonly timing: Timing;
}

/** Failures of one kind that trying again can't cure: the same bytes give the same answer. */
const FINAL: ReadonlySet<Code> = new Set<Code>([
  "LV_COMMAND_NOT_FOUND",
  "LV_COMMAND_NOT_EXECUTABLE",
  "LV_IMAGE_PLATFORM",
  "LV_IMAGE_BROKEN",
  "LV_IMAGE_DIGEST",
  "LV_CONFIG",
  "LV_USAGE",
]);

export function isFinal(code: Code): boolean {
  return FINAL.has(code);
}

/** Failures of this version since its last healthy period. */
export function attemptsOf(record: AppRecord, hash: string): number {
  return record.trial?.hash === hash ? record.trial.attempts : 0;
}

/** How often the machine went down with this version since it was first tried. */
export function downsOf({ downs }: AppRecord, hash: string): number {
  return downs?.hash === hash ? downs.count : 0;
}

/** One more failure: when to try again. After `maxRetries` only at the longest delay. */
export function afterFailure(record: AppRecord, hash: string, restart: RestartRule | undefined, reason: string, chance: Chance): AppRecord {
  const { now, random, timing } = chance;
  const attempts = attemptsOf(record, hash) + 1;
  const range = { minMs: restart?.minDelayMs ?? timing.minDelayMs, maxMs: restart?.maxDelayMs ?? timing.maxDelayMs };
  const exponent = attempts > maxRetriesOf(restart, timing) ? 40 : attempts - 1;
  const retryAt = { bootId: now.bootId, uptimeMs: now.uptimeMs + equalJitterMs(exponent, range, random) };
  return { ...record, trial: { hash, attempts, retryAt, reason } };
}

/**
 * A sandbox has ended. On purpose: no failure. With the machine, by a power cut or a reboot: none either, but it is counted. By itself: one
 * more, whatever the policy then makes of it.
 */
export function afterExit(record: AppRecord, sandbox: OwnSandbox, exit: ExitReport, target: Target | undefined, chance: Chance): AppRecord {
  const noted = { ...record, lastExit: exit };
  if (exit.shutdown === true || record.stopping.includes(sandbox.id) || target === undefined || target.hash !== sandbox.hash) return noted;
  const { hash } = target;
  if (record.startedIn !== undefined && record.startedIn !== chance.now.bootId)
    return record.good?.hash === hash ? noted : { ...noted, downs: { hash, count: downsOf(record, hash) + 1 } };
  return afterFailure(noted, target.hash, target.app.restart, describeExit(exit, sandbox.error), chance);
}

/** Whether an exit is a failure; undefined: it did not even start. */
export function isFailure(exit: ExitReport | undefined): boolean {
  return exit === undefined || exit.exitCode !== 0 || exit.oomKilled || exit.lost === true;
}

/** Whether what has ended by itself, or with the machine, is started again by its policy. */
export function startsAgain(restart: RestartRule | undefined, exit: ExitReport | undefined): boolean {
  const policy = restart?.policy ?? "always";
  // What comes after a shutdown is a boot: as if it still ran.
  return policy === "always" || (policy === "on-failure" && (exit?.shutdown === true || isFailure(exit)));
}

/** The operator, or a new revision, wants it tried again: as if it had never failed. */
export function forgive(record: AppRecord): AppRecord {
  const { downs: _downs, ...rest } = record;
  return { ...rest, trial: undefined, rejected: undefined };
}

/** A rolled-back version stays out until the app changes; a failed one without a fallback gets a chance with each new revision. */
export function isRejected(record: AppRecord, target: Target): boolean {
  const { rejected } = record;
  if (rejected === undefined || rejected.hash !== target.hash) return false;
  return rejected.revision >= target.revision || fallbackOf(record, target) !== undefined;
}

/** What a refusal that has been told is known by. */
export function refusalKey(target: Target, code: Code): string {
  return `${target.hash} ${target.revision} ${code}`;
}

/** The version to fall back to when `target` fails. */
export function fallbackOf(record: AppRecord, target: Target): Target | undefined {
  return record.good === undefined || record.good.hash === target.hash ? undefined : record.good;
}

export function maxRetriesOf(rule: RestartRule | undefined, timing: Timing): number {
  return rule?.maxRetries ?? timing.maxRetries;
}

/** The monotonic time at which to try again; a reboot makes every wait void. */
export function retryAtMs(record: AppRecord, hash: string, now: Moment): number {
  const at = record.trial?.hash === hash ? record.trial.retryAt : undefined;
  return at === undefined || at.bootId !== now.bootId ? 0 : at.uptimeMs;
}

/** How it ended, for people. */
export function describeExit(exit: ExitReport, error = ""): string {
  if (error !== "") return error;
  if (exit.oomKilled) return "killed by the kernel: it used more memory than its budget; raise the memory budget or make it use less";
  if (exit.shutdown === true) return "stopped because the device went down";
  if (exit.lost === true) return "ended with its monitor, which was lost";
  if (exit.signal !== 0) return `ended by signal ${exit.signal}`;
  return `exited with code ${exit.exitCode}`;
}
