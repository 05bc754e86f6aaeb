/** Which apps fit on this device together: ports and memory budgets. Pure; the reasons carry the arithmetic. */
import type { Code } from "#agent/wire/codes.ts";
import type { ImageFacts, OwnSandbox, Target } from "./model.ts";
import { rankOf } from "./priority.ts";

export interface Refusal {
  readonly code: Code;
  readonly reason: string;
  /** It fits once what is on its way out has stopped: wait instead of failing. */
  readonly waits: boolean;
  /** It runs, and has to stop: a more important app needs what it has. */
  readonly makesWay?: boolean;
}

export interface Capacity {
  readonly memoryTotalBytes: number;
  readonly memoryReserveBytes: number;
}

/**
 * The refused apps by name. The more important class has the first claim, in a class what runs already, then the order of the desired state
 * counts. What runs and no longer fits beside a more important app makes way.
 */
export function admit(
  targets: readonly Target[],
  sandboxes: readonly OwnSandbox[],
  images: ReadonlyMap<string, ImageFacts>,
  capacity: Capacity,
): Map<string, Refusal> {
  const running = sandboxes.filter((sandbox) => sandbox.status === "running");
  const hashes = new Set(running.map((sandbox) => sandbox.hash));
  const order = [...targets].sort((a, b) => rankOf(a.app) - rankOf(b.app) || Number(hashes.has(b.hash)) - Number(hashes.has(a.hash)));
  const wanted = new Set(targets.map((target) => target.app.name));
  const undesired = running.filter((sandbox) => !wanted.has(sandbox.app));
  const inOrder = (leaving: readonly OwnSandbox[]): Map<string, Refusal> =>
    admitInOrder(order, images, { leaving: sum(leaving.map((sandbox) => sandbox.memoryBytes)), limit: limitOf(capacity), capacity });
  const first = inOrder(undesired);
  // Nobody stops for an app that could not start yet.
  const ready = order.filter((target) => !hashes.has(target.hash) && images.has(target.app.image.digest) && !first.has(target.app.name));
  const evicted = order.filter(
    (target) =>
      hashes.has(target.hash) && first.get(target.app.name)?.waits === false && ready.some((one) => rankOf(one.app) < rankOf(target.app)),
  );
  if (evicted.length === 0) return first;
  const gone = new Set(evicted.map((target) => target.hash));
  const second = inOrder([...undesired, ...running.filter((sandbox) => gone.has(sandbox.hash))]);
  for (const { app } of evicted) {
    const refusal = second.get(app.name);
    if (refusal !== undefined) second.set(app.name, { ...refusal, makesWay: true });
  }
  return second;
}

function admitInOrder(order: readonly Target[], images: ReadonlyMap<string, ImageFacts>, space: Space): Map<string, Refusal> {
  const refused = new Map<string, Refusal>();
  const ports = new Map<string, string>();
  let used = 0;
  for (const target of order) {
    const wants = memoryOf(target, images);
    const refusal = portConflict(target, ports) ?? memoryShortage(wants, { ...space, used });
    if (refusal !== undefined) {
      refused.set(target.app.name, refusal);
      if (!refusal.waits) continue;
    }
    for (const port of portsOf(target)) ports.set(port, target.app.name);
    used += wants;
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

interface Space {
  /** Bytes of what is on its way out. */
  readonly leaving: number;
  readonly limit: number;
  readonly capacity: Capacity;
}

interface Room extends Space {
  /** Bytes of those before it. */
  readonly used: number;
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
