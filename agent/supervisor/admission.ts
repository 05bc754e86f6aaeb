/** Which apps fit on this device together: ports and memory budgets. Pure; the reasons carry the arithmetic. */
import type { Code } from "#agent/wire/codes.ts";
import { type Claim, claimOf, type Scene } from "./claim.ts";
import type { OwnSandbox, Target } from "./model.ts";

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
export function admit(targets: readonly Target[], scene: Scene & { readonly capacity: Capacity }): Map<string, Refusal> {
  const { capacity } = scene;
  const running = scene.sandboxes.filter((sandbox) => sandbox.status === "running");
  const hashes = new Set(running.map((sandbox) => sandbox.hash));
  const claims = targets.map((target) => claimOf(target, scene)).filter((claim) => claim !== undefined);
  const order = claims.sort((a, b) => a.rank - b.rank || Number(hashes.has(b.hash)) - Number(hashes.has(a.hash)));
  const staying = new Set(order.map((claim) => claim.app));
  const undesired = running.filter((sandbox) => !staying.has(sandbox.app));
  const inOrder = (leaving: readonly OwnSandbox[]): Map<string, Refusal> =>
    admitInOrder(order, { leaving: sum(leaving.map((sandbox) => sandbox.memoryBytes)), limit: limitOf(capacity), capacity });
  const first = inOrder(undesired);
  // Nobody stops for an app that could not start yet.
  const ready = order.filter((claim) => !hashes.has(claim.hash) && claim.ready && !first.has(claim.app));
  const evicted = order.filter(
    (claim) => hashes.has(claim.hash) && first.get(claim.app)?.waits === false && ready.some((one) => one.rank < claim.rank),
  );
  if (evicted.length === 0) return first;
  const gone = new Set(evicted.map((claim) => claim.hash));
  const second = inOrder([...undesired, ...running.filter((sandbox) => gone.has(sandbox.hash))]);
  for (const { app } of evicted) {
    const refusal = second.get(app);
    if (refusal !== undefined) second.set(app, { ...refusal, makesWay: true });
  }
  return second;
}

function admitInOrder(order: readonly Claim[], space: Space): Map<string, Refusal> {
  const refused = new Map<string, Refusal>();
  const ports = new Map<string, string>();
  let used = 0;
  for (const claim of order) {
    const refusal = portConflict(claim, ports) ?? memoryShortage(claim.memoryBytes, { ...space, used });
    if (refusal !== undefined) {
      refused.set(claim.app, refusal);
      if (!refusal.waits) continue;
    }
    for (const port of claim.ports) ports.set(port, claim.app);
    used += claim.memoryBytes;
  }
  return refused;
}

function portConflict(claim: Claim, taken: ReadonlyMap<string, string>): Refusal | undefined {
  const port = claim.ports.find((candidate) => taken.has(candidate));
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
