/** `reported`: the state a device is in now. The latest (by boot id and `n`) replaces all before it; sent on connect and on change. */
import { type Static, Type } from "typebox";
import { AppName, BootId, Count, Digest, Reason, Timestamp, Version } from "./common.ts";

/**
 * Phases of an app, in the order of a good start. Wire values: never renamed.
 * `parked` was stopped because the device is short of memory, and starts again by itself when it no longer is.
 * `failed` waits for a new desired state; `backoff` starts again by itself at `retryAt`; `crashloop` too, but no more often than the longest delay.
 */
export const PHASES = [
  "pending",
  "pulling",
  "starting",
  "running",
  "unhealthy",
  "stopping",
  "stopped",
  "backoff",
  "crashloop",
  "failed",
  "parked",
] as const;
export type Phase = (typeof PHASES)[number];
export const Phase = Type.Unsafe<Phase>(Type.Union(PHASES.map((phase) => Type.Literal(phase))));

export const Exit = Type.Object({
  exitCode: Type.Integer(),
  signal: Type.Integer({ minimum: 0, maximum: 64 }),
  oomKilled: Type.Boolean(),
  lost: Type.Optional(Type.Boolean()),
  /** Stopped because the device went down: neither a failure nor somebody's wish. */
  shutdown: Type.Optional(Type.Boolean()),
  finishedAt: Timestamp,
});

export const AppReport = Type.Object({
  name: AppName,
  phase: Phase,
  /** Why it is in this phase, for people, with what to do where that is known. */
  reason: Reason,
  /** Revision of the desired state that this app's running sandbox (or last attempt) was made from. */
  revision: Count,
  imageDigest: Digest,
  sandboxId: Type.Optional(Type.String({ maxLength: 64 })),
  pid: Type.Optional(Count),
  startedAt: Type.Optional(Timestamp),
  startMs: Type.Optional(Type.Number({ minimum: 0 })),
  restarts: Count,
  health: Type.Union([Type.Literal("none"), Type.Literal("starting"), Type.Literal("healthy"), Type.Literal("unhealthy")]),
  lastExit: Type.Optional(Exit),
  progress: Type.Optional(Type.Object({ done: Count, total: Count })),
  warnings: Type.Optional(Type.Array(Reason, { maxItems: 16 })),
});

/** Phases of the agent itself. Wire values: never renamed. `failed` waits for another digest, or a higher `attempt`. */
export const AGENT_PHASES = ["current", "pulling", "installing", "trial", "failed"] as const;
export type AgentPhase = (typeof AGENT_PHASES)[number];
export const AgentPhase = Type.Unsafe<AgentPhase>(Type.Union(AGENT_PHASES.map((phase) => Type.Literal(phase))));

export const AgentReport = Type.Object({
  /** What runs now. */
  version: Version,
  /** Of its payload, when it came over the air. */
  digest: Type.Optional(Digest),
  slot: Type.Union([Type.Literal("usr"), Type.Literal("a"), Type.Literal("b")]),
  phase: AgentPhase,
  /** Why it is in this phase, for people. */
  reason: Reason,
  /** What `phase` is about, when that is not what runs. */
  wanted: Type.Optional(Type.Object({ version: Version, digest: Digest, attempt: Count })),
  progress: Type.Optional(Type.Object({ done: Count, total: Count })),
});

export const Inventory = Type.Object({
  hostname: Type.String({ maxLength: 255 }),
  architecture: Type.String({ maxLength: 32 }),
  kernel: Type.String({ maxLength: 128 }),
  os: Type.String({ maxLength: 256 }),
  cpu: Type.String({ maxLength: 256 }),
  cores: Count,
  memoryBytes: Count,
  diskBytes: Count,
  model: Type.Optional(Type.String({ maxLength: 256 })),
  serial: Type.Optional(Type.String({ maxLength: 256 })),
  network: Type.Array(
    Type.Object({ name: Type.String({ maxLength: 32 }), addresses: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 16 }) }),
    { maxItems: 32 },
  ),
});

export const Reported = Type.Object({
  bootId: BootId,
  n: Count,
  at: Timestamp,
  /** The revision that the device has accepted and persisted; 0: none yet. The controller sends `desired` again when it has a newer one. */
  desiredRevision: Count,
  apps: Type.Array(AppReport, { maxItems: 256 }),
  agent: Type.Optional(AgentReport),
  inventory: Type.Optional(Inventory),
  /** Messages refused since the agent's start, and events lost since ever: never silent. */
  rejectedMessages: Count,
  lostEvents: Count,
});
export type Reported = Static<typeof Reported>;
export type AgentReport = Static<typeof AgentReport>;
export type AppReport = Static<typeof AppReport>;
export type Inventory = Static<typeof Inventory>;
export type ExitReport = Static<typeof Exit>;
