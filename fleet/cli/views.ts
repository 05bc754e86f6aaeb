/** The API's answers as far as the verbs use them. */
import type { App } from "#agent/wire/protocol/app.ts";
import type { DesiredAgent } from "#agent/wire/protocol/desired.ts";
import type { Metric } from "#agent/wire/protocol/metric.ts";
import type { AgentReport, AppReport, Inventory, Reported } from "#agent/wire/protocol/reported.ts";
import type { CommandResult } from "#agent/wire/protocol/result.ts";

export interface DeviceSummary {
  readonly id: string;
  readonly online: boolean;
  readonly lastSeenAt: string | null;
  readonly architecture: string;
  readonly agentVersion: string;
  /** As the device last told it; null from an agent that tells nothing of itself. */
  readonly agent: AgentReport | null;
  readonly desiredRevision: number;
  readonly reportedRevision: number;
  readonly apps: readonly Pick<AppReport, "name" | "phase" | "reason">[];
}

export interface DeviceView extends DeviceSummary {
  readonly desired: DesiredView;
  readonly reported: Omit<Reported, "inventory"> | null;
  readonly inventory: Inventory | null;
  readonly metric: Metric | null;
  readonly lost: readonly { readonly from: number; readonly to: number }[];
  readonly rejectedMessages: number;
  readonly enrolledAt: string;
}

export interface DesiredView {
  readonly revision: number;
  readonly issuedAt: string | null;
  readonly apps: readonly App[];
  readonly agent?: DesiredAgent;
}

export interface EventView {
  readonly id: number;
  readonly device: string;
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly app?: string;
  readonly data: Record<string, unknown>;
}

export interface CommandView {
  readonly id: string;
  readonly state: "pending" | "answered" | "expired";
  readonly result: CommandResult | null;
}

export interface ImageView {
  readonly digest: string;
  readonly name: string;
  readonly size: number;
  readonly architecture: string;
  readonly pushedAt: string;
}

export interface TokenView {
  readonly id: string;
  readonly note: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly usesLeft: number;
  readonly revokedAt: string | null;
}
