/** The nouns of the supervisor. All plain data, so that plan and reducers are pure and a record can be kept as JSON. */
import type { SandboxLimits } from "#agent/sandbox/types.ts";
import type { Code } from "#agent/wire/codes.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { ExitReport, Phase } from "#agent/wire/protocol/reported.ts";

/** One version of an app. The hash covers everything that a sandbox is made from; a change of health or restart rules is no new version. */
export interface Target {
  readonly app: App;
  readonly revision: number;
  readonly hash: string;
}

/** A sandbox that carries our annotations. */
export interface OwnSandbox {
  readonly id: string;
  readonly app: string;
  readonly hash: string;
  readonly revision: number;
  readonly memoryBytes: number;
  readonly imageDigest: string;
  readonly status: "created" | "running" | "exited";
  readonly pid: number;
  readonly startedAt: string;
  readonly exit: ExitReport | undefined;
  /** Why it could not be started, as the exit file says. */
  readonly error: string;
  readonly warnings: readonly string[];
}

/** A point of the monotonic clock: means nothing after a reboot. */
export interface Moment {
  readonly bootId: string;
  readonly uptimeMs: number;
}

/** How the version that is tried now gets on. */
export interface Trial {
  readonly hash: string;
  /** Failures since the last healthy period. */
  readonly attempts: number;
  readonly retryAt: Moment | undefined;
  readonly reason: string;
}

/** A version that is not tried again: until the app changes when it was rolled back, else until the next revision. */
export interface Rejection {
  readonly hash: string;
  readonly revision: number;
  readonly code: Code;
  readonly reason: string;
}

/** What the agent remembers of an app beyond what its sandboxes show. Persisted: a restart of the agent forgets nothing. */
export interface AppRecord {
  /** The last version that proved good: what an update falls back to. */
  readonly good: Target | undefined;
  readonly trial: Trial | undefined;
  readonly rejected: Rejection | undefined;
  readonly restarts: number;
  readonly lastExit: ExitReport | undefined;
  /** Sandboxes that we are stopping, or have stopped, on purpose: their exit is no failure of the app. */
  readonly stopping: readonly string[];
  /** The last refusal that was told in an event: version, revision and code. */
  readonly refused?: string;
  /** Boot id of the last start: what is found ended in another boot went down with the machine. */
  readonly startedIn?: string;
  /** How often the machine went down with a version that had not proved good. */
  readonly downs?: { readonly hash: string; readonly count: number };
  /** A sandbox that has been slowed down, and its limits before. */
  readonly throttled?: { readonly sandboxId: string; readonly limits: SandboxLimits };
}

export const NO_RECORD: AppRecord = {
  good: undefined,
  trial: undefined,
  rejected: undefined,
  restarts: 0,
  lastExit: undefined,
  stopping: [],
};

export type Health = "none" | "starting" | "healthy" | "unhealthy";

/** What is known of an image that lies in the store. */
export interface ImageFacts {
  readonly architecture: string;
  readonly memoryBytes: number | undefined;
}

/** Limits of time and number; tests shrink them. Milliseconds. */
export interface Timing {
  /** A version without a health check has proved good when it has run for so long. */
  readonly provenMs: number;
  /** Running for so long forgets earlier failures. */
  readonly stableMs: number;
  /** So many failures of a version that has not proved good roll it back, when there is one to fall back to. */
  readonly provingAttempts: number;
  /** So often the machine may go down under a version that has not proved good: mains fail, but a version may also be what brings it down. */
  readonly provingDowns: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly maxRetries: number;
}

export const TIMING: Timing = {
  provenMs: 10_000,
  stableMs: 60_000,
  provingAttempts: 3,
  provingDowns: 10,
  minDelayMs: 1000,
  maxDelayMs: 300_000,
  maxRetries: 5,
};

/** What to do next, in order. */
export type Step =
  | { readonly kind: "remove"; readonly sandbox: OwnSandbox; readonly reason: string }
  | { readonly kind: "stop"; readonly sandbox: OwnSandbox; readonly reason: string; readonly unhealthy: Target | undefined }
  /** The device is short of memory: it gets less of the processor, and of memory where the kernel can push back, until `ease`. */
  | { readonly kind: "throttle"; readonly sandbox: OwnSandbox; readonly reason: string }
  | { readonly kind: "ease"; readonly sandbox: OwnSandbox }
  | { readonly kind: "pull"; readonly target: Target }
  | { readonly kind: "create"; readonly target: Target }
  /** `create` and `start` at once, where nothing has to happen between them: a prepared sandbox can do that (docs/hot-start.md). */
  | { readonly kind: "launch"; readonly target: Target }
  /** The sandbox of this hash; found anew, because `create` before it has just made it. */
  | { readonly kind: "start"; readonly target: Target }
  /** It does not fit on this device now: told once for each revision. */
  | { readonly kind: "refuse"; readonly target: Target; readonly code: Code; readonly reason: string }
  | { readonly kind: "reject"; readonly target: Target; readonly code: Code; readonly reason: string }
  | { readonly kind: "prove"; readonly target: Target }
  | { readonly kind: "settle"; readonly target: Target };

export type StepOf<K extends Step["kind"]> = Extract<Step, { kind: K }>;

export interface AppPlan {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly phase: Phase;
  readonly reason: string;
  /** The version that shall run, after rollback is taken into account. */
  readonly wanted: Target | undefined;
  /** What represents the app in reports: the wanted version's sandbox, or the older one that still serves. */
  readonly shown: OwnSandbox | undefined;
  /** Look again then, at the latest (monotonic). */
  readonly wakeAtMs: number | undefined;
}
