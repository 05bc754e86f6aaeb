/** Sandboxes as the agent sees them: typed values instead of JSON text, LightvError instead of errno. */
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Code } from "#agent/wire/codes.ts";
import type { NativeEngine, NativeWatch } from "./native.ts";
import type { CreateRequest, ExecOutcome, ExecRequest, SandboxExit, SandboxInfo, SandboxLimits, SandboxStats } from "./types.ts";

export interface Started {
  readonly pid: number;
  readonly warnings: readonly string[];
}

/** Annotations that mark a sandbox as ours. A sandbox without ANNOTATION_APP belongs to somebody else and is left alone. */
export const ANNOTATION_APP = "lightv.app";
export const ANNOTATION_REVISION = "lightv.revision";
export const ANNOTATION_HASH = "lightv.spec-hash";

export class SandboxEngine {
  private readonly native: NativeEngine;

  constructor(native: NativeEngine) {
    this.native = native;
  }

  create(request: CreateRequest): Promise<string> {
    return guard(`create sandbox ${request.name}`, () => this.native.create(JSON.stringify(request)));
  }

  /** Resolves once the workload's execve has succeeded; LV_COMMAND_NOT_FOUND and LV_COMMAND_NOT_EXECUTABLE say why it has not. */
  start(id: string): Promise<Started> {
    return guard(`start sandbox ${id}`, async () => JSON.parse(await this.native.start(id)) as Started);
  }

  /** create() and start() at once, by a prepared sandbox where there is one; fails as start() does, and then the sandbox may be there. */
  run(request: CreateRequest): Promise<Started & { readonly id: string }> {
    return guard(
      `run sandbox ${request.name}`,
      async () => JSON.parse(await this.native.run(JSON.stringify(request))) as Started & { id: string },
    );
  }

  list(): Promise<SandboxInfo[]> {
    return guard("list sandboxes", async () => JSON.parse(await this.native.list()) as SandboxInfo[]);
  }

  info(id: string): Promise<SandboxInfo> {
    return guard(`look at sandbox ${id}`, async () => JSON.parse(await this.native.info(id)) as SandboxInfo);
  }

  stats(id: string): Promise<SandboxStats> {
    return guard(`read the usage of sandbox ${id}`, async () => flatStats(JSON.parse(await this.native.stats(id))));
  }

  /** Signal 0 and a timeout below 0: the sandbox's own. */
  stop(id: string, signal: number, timeoutMs: number): Promise<void> {
    return guard(`stop sandbox ${id}`, () => this.native.stop(id, signal, timeoutMs));
  }

  /** Also what runs; volumes stay. */
  remove(id: string): Promise<void> {
    return guard(`remove sandbox ${id}`, () => this.native.remove(id, true, false));
  }

  /** Replaces all limits of a sandbox; of a running one at once. */
  update(id: string, limits: SandboxLimits): Promise<void> {
    return guard(`set the limits of sandbox ${id}`, () => this.native.update(id, JSON.stringify(limits)));
  }

  exec(id: string, request: ExecRequest): Promise<ExecOutcome> {
    return guard(`exec ${request.args[0] ?? ""} in sandbox ${id}`, async () => {
      const raw = JSON.parse(await this.native.exec(id, JSON.stringify(request))) as ExecOutcome & { stdout: string; stderr: string };
      return { ...raw, stdout: Buffer.from(raw.stdout, "base64"), stderr: Buffer.from(raw.stderr, "base64") };
    });
  }

  /** Calls back once, when the sandbox has ended for good. */
  watch(id: string, onEnd: (exit: SandboxExit) => void): NativeWatch {
    return this.native.watch(id, (json) => onEnd(JSON.parse(json) as SandboxExit));
  }

  sweep(): Promise<number> {
    return guard("sweep up what lost monitors left", () => this.native.sweep());
  }

  logPath(id: string): string {
    return this.native.logPath(id);
  }
}

/** The engine nests the cgroup's numbers; the wire has them flat. */
function flatStats(value: unknown): SandboxStats {
  const object = value as { cgroup?: SandboxStats } & SandboxStats;
  return object.cgroup ?? object;
}

/** An error of the addon: what it gives besides its message. */
interface NativeFailure {
  readonly op?: string;
  readonly errno?: number;
  readonly detail?: string;
  readonly hint?: string;
}

async function guard<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toLightvError(what, error);
  }
}

/** Operations that fail for what was asked of them: the same again fails again. A profile that is not loaded may be one day. */
const ASKED: ReadonlySet<string> = new Set(["seccomp profile", "sysctl", "AppArmor profile"]);

const ENOENT = 2;
const ENOEXEC = 8;
const EACCES = 13;
const EEXIST = 17;
const ENOSPC = 28;

/** launch()'s convention: op "exec" is the workload's own failure, everything else the engine's. */
export function toLightvError(what: string, error: unknown): LightvError {
  if (error instanceof LightvError) return error;
  const { op, errno, hint } = (typeof error === "object" && error !== null ? error : {}) as NativeFailure;
  return new LightvError(codeOf(op, errno), `can't ${what}: ${messageOf(error)}`, {
    cause: error,
    ...(hint === undefined || hint === "" ? {} : { hint }),
  });
}

function codeOf(op: string | undefined, errno: number | undefined): Code {
  if (op === "exec" && errno === ENOENT) return "LV_COMMAND_NOT_FOUND";
  if (op === "exec" && (errno === EACCES || errno === ENOEXEC)) return "LV_COMMAND_NOT_EXECUTABLE";
  if (op !== undefined && ASKED.has(op) && errno !== ENOENT) return "LV_CONFIG";
  if (errno === ENOSPC) return "LV_DISK_FULL";
  if (errno === EEXIST) return "LV_CONFLICT";
  return "LV_SANDBOX";
}
