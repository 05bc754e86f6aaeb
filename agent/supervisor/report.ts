/** What is told about an app: its plan, and what its lane is doing right now. Pure. */
import type { AppReport, Phase } from "#agent/wire/protocol/reported.ts";
import type { AppPlan, AppRecord, Health, Target } from "./model.ts";

/** The step that is under way. */
export interface Activity {
  readonly phase: Phase;
  readonly reason: string;
  readonly progress: { readonly done: number; readonly total: number } | undefined;
}

export interface ReportParts {
  readonly plan: AppPlan;
  readonly target: Target | undefined;
  readonly activity: Activity | undefined;
  readonly record: AppRecord;
  readonly health: Health;
  readonly startMs: number | undefined;
}

const REASON_LENGTH = 1024;

export function reportOf({ plan, target, activity, record, health, startMs }: ReportParts): AppReport {
  const { shown } = plan;
  const running = shown?.status === "running";
  const version = shown ?? { revision: plan.wanted?.revision ?? target?.revision ?? 0, imageDigest: imageOf(plan, target) };
  return {
    name: plan.name,
    phase: activity?.phase ?? plan.phase,
    reason: cut([activity?.reason ?? "", plan.reason].filter((text) => text !== "").join("; ")),
    revision: version.revision,
    imageDigest: version.imageDigest,
    ...(shown === undefined ? {} : { sandboxId: shown.id }),
    ...(running ? { pid: shown.pid, startedAt: shown.startedAt } : {}),
    ...(running && startMs !== undefined ? { startMs } : {}),
    restarts: record.restarts,
    health: running ? health : "none",
    ...(record.lastExit === undefined ? {} : { lastExit: record.lastExit }),
    ...(activity?.progress === undefined ? {} : { progress: activity.progress }),
    ...(shown === undefined || shown.warnings.length === 0 ? {} : { warnings: shown.warnings.slice(0, 16).map(cut) }),
  };
}

function imageOf(plan: AppPlan, target: Target | undefined): string {
  return plan.wanted?.app.image.digest ?? target?.app.image.digest ?? `sha256:${"0".repeat(64)}`;
}

function cut(text: string): string {
  return text.length <= REASON_LENGTH ? text : `${text.slice(0, REASON_LENGTH - 1)}…`;
}
