/**
 * What apps report while a newer desired state waits for room on the disk: otherwise nobody who is far away could tell why nothing
 * happens. Events need the disk too; a report does not. Pure.
 */
import { isDeepStrictEqual } from "node:util";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";

export interface Waiting {
  readonly desired: Desired;
  /** Why it is not on the disk, with the code first. */
  readonly reason: string;
}

/** Longest reason of a report, in characters. */
const REASON_LENGTH = 1024;

/** The reports, with a word about the state that waits on each app that it changes, adds or takes away. */
export function withWaiting(reports: readonly AppReport[], current: Desired, waiting: Waiting | undefined): AppReport[] {
  if (waiting === undefined) return [...reports];
  const { desired } = waiting;
  const reason = `revision ${desired.revision} is not taken yet: ${waiting.reason}`;
  const find = ({ apps }: Desired, name: string) => apps.find((app) => app.name === name);
  const told = reports.map((report) => {
    if (isDeepStrictEqual(find(current, report.name), find(desired, report.name))) return report;
    return {
      ...report,
      reason: [reason, report.reason]
        .filter((text) => text !== "")
        .join("; ")
        .slice(0, REASON_LENGTH),
    };
  });
  const known = new Set(reports.map(({ name }) => name));
  const added = desired.apps.filter(({ name }) => !known.has(name));
  return [
    ...told,
    ...added.map(
      ({ name, image }): AppReport => ({
        name,
        phase: "pending",
        reason: reason.slice(0, REASON_LENGTH),
        revision: desired.revision,
        imageDigest: image.digest,
        restarts: 0,
        health: "none",
      }),
    ),
  ];
}
