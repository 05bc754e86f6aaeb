/** Priority classes of apps: who gives way to whom. Pure. */
import type { App } from "#agent/wire/protocol/app.ts";
import type { Priority } from "#agent/wire/protocol/priority.ts";

/** Those that give way first come first; `critical` is never made to. */
export const GIVE_WAY: readonly Priority[] = ["low", "normal"];

const RANKS: Readonly<Record<Priority, number>> = { critical: 0, normal: 1, low: 2 };

/** Docker's scale, where 1,024 is the default: what an app gets of a busy CPU when its budget does not say. */
const CPU_SHARES: Readonly<Record<Priority, number | undefined>> = { critical: 4096, normal: undefined, low: 128 };

/** proc(5), oom_score_adj: whom the kernel ends first when a machine is out of memory. The agent and the monitors have -900. */
const OOM_SCORES: Readonly<Record<Priority, number>> = { critical: -500, normal: 0, low: 500 };

export function priorityOf(app: App): Priority {
  return app.priority ?? "normal";
}

/** The smaller, the more important. */
export function rankOf(app: App): number {
  return RANKS[priorityOf(app)];
}

export function cpuSharesOf(app: App): number | undefined {
  return CPU_SHARES[priorityOf(app)];
}

export function oomScoreOf(app: App): number {
  return OOM_SCORES[priorityOf(app)];
}
