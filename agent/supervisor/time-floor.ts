/**
 * The latest time that the controller has told, on disk: a boot sets a clock that was lost with the power forward to it before the agent
 * starts (`lightv system clock`), so that certificates are valid. Rarely written: flash wears.
 */
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "#agent/lib/atomic-file.ts";

const INTERVAL_MS = 3_600_000;
/** What is on disk and this far ahead was wrong: the controller's word counts. */
const ABSURD_MS = 86_400_000;

/** The line to write, if any: at most one for each hour of the controller's time. NaN: nothing, or nothing sensible, is stored. Pure. */
export function nextFloor(now: string, storedMs: number): string | undefined {
  const heardMs = Date.parse(now);
  if (!Number.isFinite(heardMs)) return undefined;
  const recent = heardMs - storedMs < INTERVAL_MS && storedMs - heardMs <= ABSURD_MS;
  return recent ? undefined : new Date(heardMs).toISOString();
}

export class TimeFloor {
  private readonly file: string;
  private storedMs: number | undefined;
  private last: Promise<void> = Promise.resolve();

  constructor(root: string) {
    this.file = join(root, "agent", "clock");
  }

  /** The controller has just said what time it is (RFC 3339). Rejects when that can't be written; it is tried again an hour later. */
  hear(now: string): Promise<void> {
    this.last = this.last.catch(() => undefined).then(() => this.note(now));
    return this.last;
  }

  private async note(now: string): Promise<void> {
    this.storedMs ??= Date.parse((await readFileIfExists(this.file))?.trim() ?? "");
    const line = nextFloor(now, this.storedMs);
    if (line === undefined) return;
    this.storedMs = Date.parse(line);
    await writeFileAtomic(this.file, `${line}\n`);
  }
}
