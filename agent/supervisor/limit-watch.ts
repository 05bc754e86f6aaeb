/**
 * Tells what budgets and the disk have refused: processes that the kernel ended or did not let begin, processor time held back, lines that
 * came too fast for the log, a writable layer or a disk that is nearly full. One event for each kind in a while, with the numbers since the one before: a hog must not fill the outbox.
 */
import { statfs } from "node:fs/promises";
import { messageOf } from "#agent/lib/errors.ts";
import type { SandboxStats } from "#agent/sandbox/types.ts";
import type { OwnSandbox } from "./model.ts";
import type { DiskSpace, SupervisorParts } from "./ports.ts";

const INTERVAL_MS = 15_000;
const QUIET_MS = 300_000;
/** Of the time that has gone by; below it a quota does what it is there for. */
const THROTTLED_SHARE = 0.5;
/** Of a bounded writable layer. */
const LAYER_FULL = 0.95;
/** At the first look: counts may be old, but a layer that is full is so now. */
const EMPTY_LAYER = { layerUsedBytes: 0, layerFreeInodes: 1 };
const DISK_LOW = 0.05;
const DISK_ENOUGH = 0.1;

type Limit = "memory" | "pids" | "cpu" | "log" | "disk";
type Numbers = Readonly<Record<string, number>>;

/** What has been refused between two looks, `elapsedMs` apart: counts that add up, and what holds now. Pure. */
export interface Hit {
  readonly limit: Limit;
  readonly sums: Numbers;
  readonly now: Numbers;
}

export function hits(before: SandboxStats, now: SandboxStats, elapsedMs: number): Hit[] {
  const grown = (key: "oomKills" | "pidsRefused" | "throttledUs" | "logDroppedLines" | "logDroppedBytes"): number =>
    (now[key] ?? 0) - (before[key] ?? 0);
  const found: Hit[] = [];
  if (grown("oomKills") > 0)
    found.push({ limit: "memory", sums: { killed: grown("oomKills") }, now: defined({ limitBytes: now.memoryLimitBytes }) });
  if (grown("pidsRefused") > 0)
    found.push({ limit: "pids", sums: { refused: grown("pidsRefused") }, now: defined({ pids: now.pids, pidsLimit: now.pidsLimit }) });
  const throttledMs = Math.round(grown("throttledUs") / 1000);
  if (throttledMs > 0 && throttledMs >= elapsedMs * THROTTLED_SHARE)
    found.push({ limit: "cpu", sums: { throttledMs, inMs: elapsedMs }, now: {} });
  if (grown("logDroppedLines") > 0)
    found.push({ limit: "log", sums: { droppedLines: grown("logDroppedLines"), droppedBytes: grown("logDroppedBytes") }, now: {} });
  const { layerUsedBytes, layerLimitBytes, layerFreeInodes } = now;
  if (isFull(now) && !isFull(before))
    found.push({
      limit: "disk",
      sums: {},
      now: defined({ usedBytes: layerUsedBytes, limitBytes: layerLimitBytes, freeInodes: layerFreeInodes }),
    });
  return found;
}

function isFull({ layerUsedBytes = 0, layerLimitBytes = 0, layerFreeInodes }: SandboxStats): boolean {
  return layerLimitBytes > 0 && (layerUsedBytes >= layerLimitBytes * LAYER_FULL || layerFreeInodes === 0);
}

interface Look {
  readonly stats: SandboxStats;
  readonly atMs: number;
}

/** Hits of one kind that no event has told yet. */
interface Owed {
  readonly sandbox: OwnSandbox;
  hit: Hit | undefined;
  quietUntilMs: number;
}

export class LimitWatch {
  private readonly parts: Pick<SupervisorParts, "engine" | "events" | "clock" | "log" | "disk">;
  private readonly running: () => readonly OwnSandbox[];
  /** By sandbox id. */
  private readonly last = new Map<string, Look>();
  /** By sandbox id and limit. */
  private readonly owed = new Map<string, Owed>();
  private diskLow = false;

  constructor(parts: LimitWatch["parts"], running: () => readonly OwnSandbox[]) {
    this.parts = parts;
    this.running = running;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.parts;
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.look().catch((error: unknown) => log.debug(`no look at the budgets: ${messageOf(error)}`));
    }
  }

  private async look(): Promise<void> {
    const sandboxes = this.running();
    for (const sandbox of sandboxes) {
      // It may have ended since.
      const stats = await this.parts.engine.stats(sandbox.id).catch(() => undefined);
      if (stats !== undefined) this.compare(sandbox, { stats, atMs: this.parts.clock.uptimeMs() });
    }
    for (const owed of this.owed.values()) this.tell(owed);
    this.forget(new Set(sandboxes.map(({ id }) => id)));
    await this.lookAtDisk();
  }

  private compare(sandbox: OwnSandbox, look: Look): void {
    const before = this.last.get(sandbox.id) ?? { ...look, stats: { ...look.stats, ...EMPTY_LAYER } };
    this.last.set(sandbox.id, look);
    for (const hit of hits(before.stats, look.stats, look.atMs - before.atMs)) {
      const key = `${sandbox.id} ${hit.limit}`;
      const owed = this.owed.get(key) ?? { sandbox, hit: undefined, quietUntilMs: 0 };
      owed.hit = added(owed.hit, hit);
      this.owed.set(key, owed);
    }
  }

  private tell(owed: Owed): void {
    const nowMs = this.parts.clock.uptimeMs();
    const { sandbox, hit } = owed;
    if (hit === undefined || nowMs < owed.quietUntilMs) return;
    const data = { sandboxId: sandbox.id, revision: sandbox.revision, limit: hit.limit, ...hit.sums, ...hit.now };
    this.parts.events.add({ type: "app.limited", app: sandbox.app, data });
    owed.hit = undefined;
    owed.quietUntilMs = nowMs + QUIET_MS;
  }

  /** What has ended: its own end is told elsewhere. */
  private forget(running: ReadonlySet<string>): void {
    for (const id of this.last.keys()) if (!running.has(id)) this.last.delete(id);
    for (const [key, { sandbox }] of this.owed) if (!running.has(sandbox.id)) this.owed.delete(key);
  }

  private async lookAtDisk(): Promise<void> {
    const { freeBytes, totalBytes } = await this.parts.disk();
    const low = freeBytes < totalBytes * (this.diskLow ? DISK_ENOUGH : DISK_LOW);
    if (low === this.diskLow) return;
    this.diskLow = low;
    this.parts.events.add({ type: "device.disk", data: { low, freeBytes, totalBytes } });
  }
}

/** Of the file system that `path` lies on, as an ordinary user sees it. */
export async function readDisk(path: string): Promise<DiskSpace> {
  const { blocks, bavail, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

function added(before: Hit | undefined, hit: Hit): Hit {
  if (before === undefined) return hit;
  const sums = Object.fromEntries(Object.entries(hit.sums).map(([key, value]) => [key, value + (before.sums[key] ?? 0)]));
  return { ...hit, sums };
}

function defined(values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined));
}
