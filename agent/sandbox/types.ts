/** What crosses the addon's border, in the shapes of docs/sandbox.md. */

export const SANDBOX_STATUSES = ["created", "running", "paused", "restarting", "exited"] as const;
export type SandboxStatus = (typeof SANDBOX_STATUSES)[number];

export interface SandboxExit {
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  readonly finishedAt: string;
  readonly error: string;
  readonly lost?: boolean;
  /** Stopped because the system went down. */
  readonly shutdown?: boolean;
}

/** `limits` of config.json. What is absent is not limited. */
export interface SandboxLimits {
  readonly memoryMax?: number;
  readonly memoryHigh?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly [other: string]: unknown;
}

export interface SandboxInfo {
  readonly id: string;
  readonly name: string;
  readonly imageDigest: string;
  readonly status: SandboxStatus;
  readonly pid: number;
  readonly startedAt: string;
  readonly exit: SandboxExit | null;
  readonly warnings: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: { readonly limits?: SandboxLimits };
}

/** Counters since the sandbox's start; what this machine's cgroups do not count is absent. */
export interface SandboxStats {
  readonly memoryBytes?: number;
  readonly memoryPeakBytes?: number;
  readonly memoryLimitBytes?: number;
  readonly cpuUsageUs?: number;
  readonly throttledUs?: number;
  readonly pids?: number;
  readonly pidsLimit?: number;
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
  readonly oomKills?: number;
  /** How often a process more was refused. */
  readonly pidsRefused?: number;
  /** Lines and bytes that its log did not take, since the monitor's start. */
  readonly logDroppedLines?: number;
  readonly logDroppedBytes?: number;
  /** Of a writable layer with a bound. */
  readonly layerUsedBytes?: number;
  readonly layerLimitBytes?: number;
  readonly layerFreeInodes?: number;
}

export interface ExecRequest {
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** Of each stream, from its end. */
  readonly maxOutputBytes: number;
}

export interface ExecOutcome {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly truncated: boolean;
  readonly timedOut: boolean;
}

/** The keys of a create request that the agent uses. */
export interface CreateRequest {
  readonly name: string;
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly readOnlyRoot?: boolean;
  readonly network: "none" | "host";
  readonly userns?: "host" | "auto";
  readonly mounts: readonly CreateMount[];
  readonly limits: Readonly<Record<string, unknown>>;
  /** Bytes of the writable layer; absent: as much as the disk has. */
  readonly storageSizeBytes?: number;
  readonly rlimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly log?: Readonly<Record<string, number>>;
  readonly oomScoreAdj: number;
  /** False: no filter of system calls. */
  readonly seccomp?: boolean;
  /** A filter as JSON text; absent: the engine's. */
  readonly seccompProfile?: string;
  readonly appArmor?: string;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly stopSignal?: number;
  readonly stopTimeoutMs?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface CreateMount {
  readonly kind: "bind" | "volume" | "tmpfs";
  readonly source?: string;
  readonly volume?: string;
  readonly target: string;
  readonly readOnly?: boolean;
  readonly sizeBytes?: number;
}
