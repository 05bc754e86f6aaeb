/** From the flags of `lightv fleet deploy` (Docker's names where Docker has them) to the app as the API takes it. Pure. */
import { LightvError } from "#agent/lib/errors.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import { PRIORITIES, type Priority } from "#agent/wire/protocol/priority.ts";
import type { SecurityFlags } from "./security-flags.ts";
import { storeBudgetOf } from "./store-flags.ts";
import { parseBytes, parseCpus, parseDuration, parseInteger, parsePairs } from "./values.ts";

/** An app whose image is a name or a digest. */
export type AppSpec = Partial<Omit<App, "name" | "image">> & { image?: string };

export interface DeployFlags extends SecurityFlags {
  readonly image?: string;
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly memoryHigh?: string;
  readonly memoryReservation?: string;
  readonly cpus?: string;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: string;
  readonly storageOpt?: string;
  readonly ulimit?: string;
  readonly logOpt: readonly string[];
  readonly blkioWeight?: string;
  readonly deviceReadBps: readonly string[];
  readonly deviceWriteBps: readonly string[];
  readonly deviceReadIops: readonly string[];
  readonly deviceWriteIops: readonly string[];
  readonly priority?: string;
  readonly warm?: string;
  readonly env: readonly string[];
  readonly label: readonly string[];
  readonly port: readonly string[];
  readonly volume: readonly string[];
  readonly tmpfs: readonly string[];
  readonly network?: string;
  readonly userns?: string;
  readonly restart?: string;
  readonly entrypoint?: string;
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly readOnly?: boolean;
  readonly healthCmd?: string;
  readonly healthHttp?: string;
  readonly healthTcp?: string;
  readonly healthInterval?: string;
  readonly healthRetries?: string;
  readonly stopSignal?: string;
  readonly stopTimeout?: string;
}

/** Of flags that may come often: none. Not commander's defaults, which would show up in the help. */
export const NO_LISTS = {
  env: [],
  label: [],
  port: [],
  volume: [],
  tmpfs: [],
  logOpt: [],
  deviceReadBps: [],
  deviceWriteBps: [],
  deviceReadIops: [],
  deviceWriteIops: [],
  securityOpt: [],
  sysctl: [],
};

/** Over what a file says, if there is one. */
export function specFromFlags(base: AppSpec, flags: DeployFlags, command: readonly string[]): AppSpec {
  const spec: AppSpec = { ...base };
  if (flags.image !== undefined) spec.image = flags.image;
  if (command.length > 0) spec.command = [...command];
  if (flags.entrypoint !== undefined) spec.entrypoint = flags.entrypoint === "" ? [] : [flags.entrypoint];
  if (flags.env.length > 0) spec.env = { ...spec.env, ...parsePairs("--env", flags.env) };
  if (flags.label.length > 0) spec.labels = { ...spec.labels, ...parsePairs("--label", flags.label) };
  if (flags.workdir !== undefined) spec.workdir = flags.workdir;
  if (flags.user !== undefined) spec.user = flags.user;
  if (flags.hostname !== undefined) spec.hostname = flags.hostname;
  if (flags.readOnly) spec.readOnly = true;
  if (flags.stopSignal !== undefined) spec.stopSignal = flags.stopSignal.replace(/^SIG/, "");
  if (flags.stopTimeout !== undefined) spec.stopTimeoutMs = parseDuration("--stop-timeout", flags.stopTimeout);
  if (flags.priority !== undefined) spec.priority = priorityOf(flags.priority);
  if (flags.warm !== undefined) spec.warm = parseInteger("--warm", flags.warm, 0, 64);
  const budget = { ...budgetOf(flags), ...storeBudgetOf(flags, spec.budget) };
  if (Object.keys(budget).length > 0) spec.budget = { ...spec.budget, ...budget };
  const ports = flags.port.map(portOf);
  if (ports.length > 0) spec.ports = ports;
  const mounts = [...flags.volume.map(volumeOf), ...flags.tmpfs.map(tmpfsOf)];
  if (mounts.length > 0) spec.mounts = mounts;
  if (flags.restart !== undefined) spec.restart = restartOf(flags.restart);
  const health = healthOf(flags);
  if (health !== undefined) spec.health = health;
  const network = networkOf(flags, ports.length > 0 && spec.network === undefined);
  if (network !== undefined) spec.network = network;
  if (flags.userns !== undefined) spec.userns = usernsOf(flags.userns);
  return spec;
}

function budgetOf(flags: DeployFlags): NonNullable<AppSpec["budget"]> {
  return {
    ...(flags.memory === undefined ? {} : { memory: parseBytes("--memory", flags.memory) }),
    ...(flags.memorySwap === undefined ? {} : { swap: parseBytes("--memory-swap", flags.memorySwap) }),
    ...(flags.memoryHigh === undefined ? {} : { high: parseBytes("--memory-high", flags.memoryHigh) }),
    ...(flags.memoryReservation === undefined ? {} : { reservation: parseBytes("--memory-reservation", flags.memoryReservation) }),
    ...(flags.cpus === undefined ? {} : { cpus: parseCpus("--cpus", flags.cpus) }),
    ...(flags.cpusetCpus === undefined ? {} : { cpuset: flags.cpusetCpus }),
    ...(flags.pidsLimit === undefined ? {} : { pids: parseInteger("--pids-limit", flags.pidsLimit, 1) }),
  };
}

function priorityOf(text: string): Priority {
  const found = PRIORITIES.find((priority) => priority === text);
  if (found === undefined) throw wrong("--priority", text, PRIORITIES.join(", "));
  return found;
}

/** An app that opens a port needs a network to open it on: the device's. */
function networkOf({ network }: DeployFlags, hasPorts: boolean): "none" | "host" | undefined {
  if (network === undefined) return hasPorts ? "host" : undefined;
  if (network !== "none" && network !== "host") throw wrong("--network", network, "none or host");
  return network;
}

function usernsOf(text: string): "host" | "auto" {
  if (text !== "host" && text !== "auto") throw wrong("--userns", text, "auto or host");
  return text;
}

function portOf(text: string): NonNullable<AppSpec["ports"]>[number] {
  const [number = "", protocol = "tcp", ...rest] = text.split("/");
  if ((protocol !== "tcp" && protocol !== "udp") || rest.length > 0) throw wrong("--port", text, "PORT, PORT/tcp or PORT/udp");
  return { port: parseInteger("--port", number, 1, 65_535), protocol };
}

function volumeOf(text: string): NonNullable<AppSpec["mounts"]>[number] {
  const [source = "", target = "", mode, ...rest] = text.split(":");
  if (source === "" || !target.startsWith("/") || rest.length > 0 || (mode !== undefined && mode !== "ro" && mode !== "rw"))
    throw wrong("--volume", text, "VOLUME:/PATH or /PATH:/PATH, with :ro if wanted");
  return { source, target, ...(mode === "ro" ? { readOnly: true } : {}) };
}

function tmpfsOf(text: string): NonNullable<AppSpec["mounts"]>[number] {
  const [target = "", options = ""] = text.split(":");
  if (!target.startsWith("/")) throw wrong("--tmpfs", text, "/PATH or /PATH:size=SIZE");
  const size = /^size=(.+)$/.exec(options)?.[1];
  if (options !== "" && size === undefined) throw wrong("--tmpfs", text, "/PATH or /PATH:size=SIZE");
  return { target, ...(size === undefined ? {} : { size: parseBytes("--tmpfs size", size) }) };
}

function restartOf(text: string): NonNullable<AppSpec["restart"]> {
  const [policy, retries] = text.split(":");
  if (policy !== "no" && policy !== "always" && policy !== "on-failure")
    throw wrong("--restart", text, "no, always, on-failure or on-failure:N");
  return { policy, ...(retries === undefined ? {} : { maxRetries: parseInteger("--restart", retries) }) };
}

function healthOf(flags: DeployFlags): AppSpec["health"] {
  const given = [flags.healthCmd, flags.healthHttp, flags.healthTcp].filter((flag) => flag !== undefined);
  if (given.length > 1) throw new LightvError("LV_USAGE", "--health-cmd, --health-http and --health-tcp exclude each other");
  const probe = probeOf(flags);
  if (probe === undefined) return undefined;
  return {
    probe,
    ...(flags.healthInterval === undefined ? {} : { intervalMs: parseDuration("--health-interval", flags.healthInterval) }),
    ...(flags.healthRetries === undefined ? {} : { retries: parseInteger("--health-retries", flags.healthRetries, 1, 1000) }),
  };
}

function probeOf({ healthCmd, healthHttp, healthTcp }: DeployFlags): NonNullable<AppSpec["health"]>["probe"] | undefined {
  if (healthCmd !== undefined) return { exec: ["/bin/sh", "-c", healthCmd] };
  if (healthTcp !== undefined) return { tcp: { port: parseInteger("--health-tcp", healthTcp, 1, 65_535) } };
  if (healthHttp === undefined) return undefined;
  const slash = healthHttp.indexOf("/");
  const port = parseInteger("--health-http", slash < 0 ? healthHttp : healthHttp.slice(0, slash), 1, 65_535);
  return { http: { port, ...(slash < 0 ? {} : { path: healthHttp.slice(slash) }) } };
}

function wrong(flag: string, value: string, allowed: string): LightvError {
  return new LightvError("LV_USAGE", `${flag} ${value}: must be ${allowed}`);
}
