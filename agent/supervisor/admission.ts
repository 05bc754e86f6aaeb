/** Which apps fit on this device together: ports and memory budgets. Pure; the reasons carry the arithmetic. */
import type { Code } from "#agent/wire/codes.ts";
import type { ImageFacts, OwnSandbox, Target } from "./model.ts";

export interface Refusal {
  readonly code: Code;
  readonly reason: string;
  /** It fits once what is on its way out has stopped: wait instead of failing. */
  readonly waits: boolean;
}

export interface Capacity {
  readonly memoryTotalBytes: number;
  readonly memoryReserveBytes: number;
}

/** The refused apps by name. What runs already has the first claim, then the order of the desired state counts. */
export function admit(
  targets: readonly Target[],
  sandboxes: readonly OwnSandbox[],
  images: ReadonlyMap<string, ImageFacts>,
  capacity: Capacity,
): Map<string, Refusal> {
  const refused = new Map<string, Refusal>();
  const running = new Set(sandboxes.filter((sandbox) => sandbox.status === "running").map((sandbox) => sandbox.hash));
  const order = [...targets].sort((a, b) => Number(running.has(b.hash)) - Number(running.has(a.hash)));
  const ports = new Map<string, string>();
  const wanted = new Set(targets.map((target) => target.app.name));
  const leaving = sandboxes.filter((sandbox) => sandbox.status === "running" && !wanted.has(sandbox.app));
  const room = { used: 0, leaving: sum(leaving.map((sandbox) => sandbox.memoryBytes)), limit: limitOf(capacity), capacity };
  for (const target of order) {
    const refusal = portConflict(target, ports) ?? memoryShortage(memoryOf(target, images), room);
    if (refusal !== undefined) {
      refused.set(target.app.name, refusal);
      if (!refusal.waits) continue;
    }
    for (const port of portsOf(target)) ports.set(port, target.app.name);
    room.used += memoryOf(target, images);
  }
  return refused;
}

/** Bytes: the app's own budget, else its image's; 0 when neither says. */
export function memoryOf(target: Target, images: ReadonlyMap<string, ImageFacts>): number {
  return target.app.budget?.memory ?? images.get(target.app.image.digest)?.memoryBytes ?? 0;
}

function portsOf(target: Target): string[] {
  return (target.app.ports ?? []).map(({ port, protocol }) => `${port}/${protocol ?? "tcp"}`);
}

function portConflict(target: Target, taken: ReadonlyMap<string, string>): Refusal | undefined {
  const port = portsOf(target).find((candidate) => taken.has(candidate));
  if (port === undefined) return undefined;
  return {
    code: "LV_CONFLICT",
    reason: `port ${port} belongs to app ${taken.get(port)} already: give one of them another port`,
    waits: false,
  };
}

interface Room {
  readonly used: number;
  readonly leaving: number;
  readonly limit: number;
  readonly capacity: Capacity;
}

function memoryShortage(wants: number, room: Room): Refusal | undefined {
  const { used, leaving, limit, capacity } = room;
  if (wants === 0 || used + leaving + wants <= limit) return undefined;
  const sums = `it asks for ${mib(wants)} of memory, other apps have ${mib(used)}, and the device has ${mib(limit)} for apps (${mib(
    capacity.memoryTotalBytes,
  )} less a reserve of ${mib(capacity.memoryReserveBytes)})`;
  if (used + wants <= limit)
    return { code: "LV_BUDGET", reason: `waits for apps that are being removed to give back ${mib(leaving)}: ${sums}`, waits: true };
  return { code: "LV_BUDGET", reason: `${sums}: lower a budget or remove an app`, waits: false };
}

function limitOf(capacity: Capacity): number {
  return Math.max(0, capacity.memoryTotalBytes - capacity.memoryReserveBytes);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1_048_576)} MiB`;
}
