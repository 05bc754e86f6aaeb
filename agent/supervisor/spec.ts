/** From an app to a create request, and from a sandbox's annotations back. Pure. */
import { createHash } from "node:crypto";
import { constants } from "node:os";
import { LightvError } from "#agent/lib/errors.ts";
import { ANNOTATION_APP, ANNOTATION_HASH, ANNOTATION_REVISION } from "#agent/sandbox/engine.ts";
import type { CreateMount, CreateRequest, SandboxInfo, SandboxLimits } from "#agent/sandbox/types.ts";
import type { App, Budget } from "#agent/wire/protocol/app.ts";
import type { ExitReport } from "#agent/wire/protocol/reported.ts";
import type { Security } from "#agent/wire/protocol/security.ts";
import type { OwnSandbox, Target } from "./model.ts";
import { cpuSharesOf, oomScoreOf } from "./priority.ts";

const ANNOTATION_MEMORY = "lightv.memory";
const CPU_PERIOD_US = 100_000;

/** The version's name: changes with everything that the sandbox is made from, and with nothing else. */
export function hashOf(app: App): string {
  const { restart: _restart, health: _health, stopTimeoutMs: _timeout, warm: _warm, ...rest } = app;
  const image = { digest: app.image.digest };
  return createHash("sha256")
    .update(canonical({ ...rest, image }))
    .digest("hex")
    .slice(0, 16);
}

export function targetOf(app: App, revision: number): Target {
  return { app, revision, hash: hashOf(app) };
}

/** Sandboxes of two versions exist side by side during an update, so the version is part of the name. */
export function sandboxName(target: Target): string {
  return `${target.app.name}.${target.hash.slice(0, 8)}`;
}

/** Throws LV_CONFIG for what the schema can't see. */
export function createRequestOf(target: Target, memoryBytes: number): CreateRequest {
  const { app } = target;
  return {
    name: sandboxName(target),
    image: app.image.digest,
    ...(app.entrypoint === undefined ? {} : { entrypoint: app.entrypoint }),
    ...(app.command === undefined ? {} : { command: app.command }),
    env: Object.entries(app.env ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(app.workdir === undefined ? {} : { cwd: app.workdir }),
    ...(app.user === undefined ? {} : { user: app.user }),
    hostname: app.hostname ?? app.name,
    readOnlyRoot: app.readOnly ?? false,
    network: app.network ?? "none",
    ...(app.userns === undefined ? {} : { userns: app.userns }),
    mounts: (app.mounts ?? []).map(mountOf),
    limits: limitsOf(app, memoryBytes),
    ...(app.budget === undefined ? {} : restOf(app.budget)),
    ...(app.security === undefined ? {} : securityOf(app.security)),
    oomScoreAdj: oomScoreOf(app),
    ...(app.stopSignal === undefined ? {} : { stopSignal: signalNumber(app.stopSignal) }),
    ...(app.stopTimeoutMs === undefined ? {} : { stopTimeoutMs: app.stopTimeoutMs }),
    labels: app.labels ?? {},
    annotations: {
      [ANNOTATION_APP]: app.name,
      [ANNOTATION_REVISION]: String(target.revision),
      [ANNOTATION_HASH]: target.hash,
      [ANNOTATION_MEMORY]: String(memoryBytes),
    },
  };
}

function mountOf(mount: NonNullable<App["mounts"]>[number]): CreateMount {
  const common = { target: mount.target, ...(mount.readOnly === undefined ? {} : { readOnly: mount.readOnly }) };
  if (mount.source === undefined) return { kind: "tmpfs", ...common, ...(mount.size === undefined ? {} : { sizeBytes: mount.size }) };
  return mount.source.startsWith("/")
    ? { kind: "bind", source: mount.source, ...common }
    : { kind: "volume", volume: mount.source, ...common };
}

function limitsOf(app: App, memoryBytes: number): CreateRequest["limits"] {
  const { budget } = app;
  const cpuShares = cpuSharesOf(app);
  return {
    ...(cpuShares === undefined ? {} : { cpuShares }),
    ...(memoryBytes === 0 ? {} : { memoryMax: memoryBytes }),
    ...(budget?.swap === undefined ? {} : { swapMax: budget.swap }),
    ...(budget?.high === undefined ? {} : { memoryHigh: budget.high }),
    ...(budget?.reservation === undefined ? {} : { memoryReservation: budget.reservation }),
    ...(budget?.cpus === undefined ? {} : { cpuQuotaUs: Math.max(1000, (budget.cpus * CPU_PERIOD_US) / 1000), cpuPeriodUs: CPU_PERIOD_US }),
    ...(budget?.cpuset === undefined ? {} : { cpusetCpus: budget.cpuset }),
    ...(budget?.pids === undefined ? {} : { pidsMax: budget.pids }),
    ...(budget?.io?.weight === undefined ? {} : { ioWeight: budget.io.weight }),
    ...(budget?.io?.devices === undefined ? {} : { io: budget.io.devices }),
  };
}

/** What is no cgroup's. */
function restOf({ disk, files, log = {} }: Budget): Pick<CreateRequest, "storageSizeBytes" | "rlimits" | "log"> {
  const { maxSize, maxFiles, rate, burst } = log;
  const options = Object.entries({ maxSizeBytes: maxSize, maxFiles, rateBytes: rate, burstBytes: burst });
  const given = options.filter((entry): entry is [string, number] => entry[1] !== undefined);
  return {
    ...(disk === undefined ? {} : { storageSizeBytes: disk }),
    ...(files === undefined ? {} : { rlimits: [{ name: "nofile", soft: files, hard: files }] }),
    ...(given.length === 0 ? {} : { log: Object.fromEntries(given) }),
  };
}

function securityOf({ seccomp, apparmor, sysctls }: Security): Partial<CreateRequest> {
  return {
    ...(seccomp === undefined ? {} : seccomp === "unconfined" ? { seccomp: false } : { seccompProfile: seccomp }),
    ...(apparmor === undefined ? {} : { appArmor: apparmor }),
    ...(sysctls === undefined ? {} : { sysctls }),
  };
}

/** A fifth of one processor at most; and half of its memory budget, beyond which the kernel makes it give back (cgroup v2 alone). */
export function throttledLimits(limits: SandboxLimits): SandboxLimits {
  const { memoryMax, memoryHigh = Number.POSITIVE_INFINITY, cpuQuotaUs, cpuPeriodUs = CPU_PERIOD_US } = limits;
  const quota = Math.max(1000, cpuPeriodUs / 5);
  return {
    cpuQuotaUs: Math.min(cpuQuotaUs ?? quota, quota),
    cpuPeriodUs,
    ...(memoryMax === undefined ? {} : { memoryHigh: Math.min(memoryHigh, Math.floor(memoryMax / 2)) }),
  };
}

/** "TERM", "SIGTERM" or "15". */
export function signalNumber(name: string): number {
  const known: Readonly<Record<string, number>> = constants.signals;
  const number = /^\d+$/.test(name) ? Number(name) : (known[name] ?? known[`SIG${name}`]);
  if (number === undefined || number < 1 || number > 64)
    throw new LightvError("LV_CONFIG", `no such signal "${name}"`, { hint: "use a name such as TERM, or a number from 1 to 64" });
  return number;
}

/** A sandbox of ours, or undefined for one that people made. */
export function ownSandbox(info: SandboxInfo): OwnSandbox | undefined {
  const app = info.annotations?.[ANNOTATION_APP];
  const hash = info.annotations?.[ANNOTATION_HASH];
  if (app === undefined || hash === undefined) return undefined;
  return {
    id: info.id,
    app,
    hash,
    revision: count(info.annotations[ANNOTATION_REVISION]),
    memoryBytes: count(info.annotations[ANNOTATION_MEMORY]),
    imageDigest: info.imageDigest,
    // Paused by a person: still there, still holding its memory.
    status: info.status === "created" || info.status === "exited" ? info.status : "running",
    pid: info.pid,
    startedAt: info.startedAt,
    exit: info.status === "exited" && info.exit !== null ? exitReport(info.exit) : undefined,
    error: info.exit?.error ?? "",
    warnings: info.warnings,
  };
}

function exitReport(exit: NonNullable<SandboxInfo["exit"]>): ExitReport {
  const { exitCode, signal, oomKilled, finishedAt } = exit;
  return {
    exitCode,
    signal,
    oomKilled,
    finishedAt,
    ...(exit.lost === true ? { lost: true } : {}),
    ...(exit.shutdown === true ? { shutdown: true } : {}),
  };
}

function count(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** JSON with sorted keys: the order in which a controller writes them makes no new version. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
