/** Looks at the device's memory, more often when it is not well, and tells the supervisor when another rung of the ladder holds. */
import { readFile } from "node:fs/promises";
import { errnoOf, messageOf } from "#agent/lib/errors.ts";
import { parseMeminfo } from "#agent/lib/meminfo.ts";
import type { SupervisorParts } from "./ports.ts";
import { climb, describeReading, GROUND, isCalm, isFar, type Ladder, type Reading } from "./pressure.ts";
import { protectedCacheBytes } from "./protected-cache.ts";

/** Each look brings pages of the program back into memory, which is what there is to be spared. */
const FAR_INTERVAL_MS = 15_000;
const CALM_INTERVAL_MS = 5_000;
const INTERVAL_MS = 2_000;

export class PressureWatch {
  private readonly parts: Pick<SupervisorParts, "clock" | "events" | "log" | "pressure">;
  private readonly onRung: () => void;
  private ladder: Ladder = GROUND;
  private intervalMs = FAR_INTERVAL_MS;
  private said = "";

  constructor(parts: PressureWatch["parts"], onRung: () => void) {
    this.parts = parts;
    this.onRung = onRung;
  }

  get rung(): number {
    return this.ladder.rung;
  }

  /** The numbers of the rung's last change, for people. */
  get reason(): string {
    return this.said;
  }

  /** Until the signal aborts. A reading that fails changes nothing. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, pressure } = this.parts;
    while (!signal.aborted) {
      await pressure()
        .then((reading) => this.take(reading))
        .catch((error: unknown) => log.debug(`no look at the memory: ${messageOf(error)}`));
      await clock.sleep(this.intervalMs, signal).catch(() => undefined);
    }
  }

  private take(reading: Reading): void {
    const { clock, events, log } = this.parts;
    const before = this.ladder.rung;
    this.ladder = climb(this.ladder, reading, clock.uptimeMs());
    this.intervalMs = this.rung > 0 || !isCalm(reading) ? INTERVAL_MS : isFar(reading) ? FAR_INTERVAL_MS : CALM_INTERVAL_MS;
    if (this.ladder.rung === before) return;
    this.said = describeReading(reading);
    const word = this.ladder.rung > before ? "short of memory" : "less short of memory";
    log.warn(`the device is ${word} (step ${this.ladder.rung}): ${this.said}`);
    events.add({ type: "device.memory", data: { step: this.ladder.rung, before, ...reading, reason: this.said } });
    this.onRung();
  }
}

/** This machine's own numbers. Without pressure stall information (CONFIG_PSI, or psi=0) only what is available. */
export async function readPressure(proc = "/proc", cgroups = "/sys/fs/cgroup"): Promise<Reading> {
  const { memoryTotalBytes, memoryAvailableBytes } = parseMeminfo(await readFile(`${proc}/meminfo`, "utf8"));
  const availableBytes = Math.max(0, memoryAvailableBytes - (await protectedCacheBytes(proc, cgroups)));
  const text = await readFile(`${proc}/pressure/memory`, "utf8").catch((error: unknown) => {
    // EOPNOTSUPP: compiled in, but switched off.
    if (["ENOENT", "EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "")) return "";
    throw error;
  });
  return { ...parsePressure(text), availableBytes, totalBytes: memoryTotalBytes };
}

export function parsePressure(text: string): Pick<Reading, "someAvg10" | "fullAvg10"> {
  const avg10 = (which: string): number | undefined => {
    const found = new RegExp(`^${which} avg10=([0-9.]+) `, "m").exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return { someAvg10: avg10("some"), fullAvg10: avg10("full") };
}
