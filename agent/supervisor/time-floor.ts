/**
 * The latest time that the controller has told, on disk: a boot sets a clock that was lost with the power forward to it before the agent
 * starts (`lightv system clock`), so that certificates are valid. Rarely written: flash wears.
 */
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";

const INTERVAL_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** What is on disk and this far ahead was wrong: the controller's word counts. */
const ABSURD_MS = DAY_MS;
/** Further ahead of the device's own clock than this no single word brings it. */
const MOST_AHEAD_MS = 366 * DAY_MS;

/**
 * How far ahead a time may be believed: a floor that is wrong must leave a way back, and the way back is a connection. At `wallMs`, the
 * device's own clock, this one was made; and the server's certificate is good until `certificateEndMs`. A clock that is years behind
 * comes after by a year with each boot. Pure.
 */
export function believedUntil(wallMs: number, certificateEndMs: number | undefined): number {
  return Math.min(wallMs + MOST_AHEAD_MS, (certificateEndMs ?? Number.POSITIVE_INFINITY) - DAY_MS);
}

/** The line to write, if any: at most one for each hour of the controller's time. NaN: nothing, or nothing sensible, is stored. Pure. */
export function nextFloor(now: string, storedMs: number, limitMs: number): string | undefined {
  const heardMs = Date.parse(now);
  if (!Number.isFinite(heardMs)) return undefined;
  const nextMs = Math.min(heardMs, limitMs);
  const wasWrong = storedMs - heardMs > ABSURD_MS;
  return !wasWrong && nextMs - storedMs < INTERVAL_MS ? undefined : new Date(nextMs).toISOString();
}

export class TimeFloor {
  private readonly file: string;
  private storedMs: number | undefined;
  private last: Promise<void> = Promise.resolve();

  constructor(root: string) {
    this.file = join(root, "agent", "clock");
  }

  /**
   * The controller has just said what time it is (RFC 3339), and is believed until `limitMs`. Rejects when that can't be written; it is
   * tried again an hour later.
   */
  hear(now: string, limitMs: number): Promise<void> {
    this.last = this.last.catch(() => undefined).then(() => this.note(now, limitMs));
    return this.last;
  }

  private async note(now: string, limitMs: number): Promise<void> {
    this.storedMs ??= Date.parse((await readFileIfExists(this.file))?.trim() ?? "");
    const line = nextFloor(now, this.storedMs, limitMs);
    if (line === undefined) return;
    this.storedMs = Date.parse(line);
    await writeFileAtomic(this.file, `${line}\n`);
  }
}
