/** `lightv fleet deploy`, `undeploy`, `apps`. */
import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import type { Client } from "./client.ts";
import { type AppSpec, type DeployFlags, NO_LISTS, specFromFlags } from "./deploy-flags.ts";
import { allDevices } from "./devices.ts";
import { oneLine, printRows } from "./output.ts";
import { securityOf } from "./security-flags.ts";
import { openSession } from "./session.ts";
import { parseDuration } from "./values.ts";
import type { DesiredView, DeviceView } from "./views.ts";

const POLL_MS = 250;

const many = (value: string, all: readonly string[] = []): string[] => [...all, value];

export function deployVerbs(fleet: Command): void {
  fleet
    .command("deploy <device> <app> [command...]")
    .description("Run an app on a device, or change it; the command goes behind --")
    .option("--image <image>", "name on the controller, or sha256:…")
    .option("-f, --file <file>", "the app as JSON (flags go over it)")
    .option("-m, --memory <size>", "memory budget: 32m, 1g")
    .option("--memory-swap <size>", "swap besides the memory")
    .option("--memory-high <size>", "memory beyond which it is slowed down and has to give back")
    .option("--memory-reservation <size>", "memory that is left to it when memory is short")
    .option("--cpus <n>", "CPUs: 0.5")
    .option("--cpuset-cpus <list>", "which CPUs: 0-2,4")
    .option("--pids-limit <n>", "processes")
    .option("--storage-opt <size=size>", "writable layer, kept free for it: size=64m")
    .option("--ulimit <nofile=n>", "open files of each process: nofile=1024")
    .option("--log-opt <key=value>", "max-size=1m, max-file=3, max-rate=256k (a second), max-burst=8m", many)
    .option("--blkio-weight <n>", "weight of block I/O, 10 to 1000")
    .option("--device-read-bps <device:rate>", "bytes a second from a block device: /dev/sda:1m", many)
    .option("--device-write-bps <device:rate>", "bytes a second to it", many)
    .option("--device-read-iops <device:rate>", "reads a second", many)
    .option("--device-write-iops <device:rate>", "writes a second", many)
    .option("--warm <n>", "sandboxes of its image that are kept prepared")
    .option("--priority <class>", "critical, normal or low: who gives way when the device is short of memory")
    .option("-e, --env <key=value>", "environment", many)
    .option("-l, --label <key=value>", "label", many)
    .option("--port <port>", "a port that the app opens on the device (PORT, PORT/udp)", many)
    .option("-v, --volume <source:target>", "volume or path of the device; :ro for read-only", many)
    .option("--tmpfs <path>", "tmpfs: /PATH or /PATH:size=16m", many)
    .option("--network <mode>", "none or host; with --port the default is host")
    .option("--userns <mode>", "auto (its root is nobody on the device, or it does not start) or host")
    .option("--restart <policy>", "always, on-failure[:N] or no")
    .option("--security-opt <option>", "seccomp=FILE|unconfined, apparmor=PROFILE|unconfined", many)
    .option("--sysctl <key=value>", "a kernel setting of its own namespaces: net.ipv4.ip_forward=1", many)
    .option("--entrypoint <program>", "instead of the image's")
    .option("-w, --workdir <path>", "working directory")
    .option("-u, --user <user>", "user or user:group")
    .option("--hostname <name>", "host name")
    .option("--read-only", "read-only root")
    .option("--health-cmd <command>", "healthy when it exits with 0")
    .option("--health-http <port[/path]>", "healthy when it answers with 2xx or 3xx")
    .option("--health-tcp <port>", "healthy when it accepts")
    .option("--health-interval <time>", "between checks: 30s")
    .option("--health-retries <n>", "failures in a row")
    .option("--stop-signal <signal>", "TERM")
    .option("--stop-timeout <time>", "before it is killed: 10s")
    .option("--wait", "until it runs (and is healthy), or has failed")
    .option("--timeout <time>", "of --wait", "2m")
    .action(deploy);

  fleet
    .command("undeploy <device> <app>")
    .description("Remove an app from a device")
    .option("--wait", "until it is gone")
    .option("--timeout <time>", "of --wait", "2m")
    .action(async (device: string, app: string, options: { wait?: boolean; timeout: string }, command: Command) => {
      const { client } = await openSession(command);
      const desired = await client.call<DesiredView>("DELETE", appPath(device, app));
      if (options.wait)
        await waitFor(client, device, parseDuration("--timeout", options.timeout), (view) => isGone(view, app, desired.revision));
      console.log(`${app} removed from ${device} (revision ${desired.revision})`);
    });

  fleet
    .command("apps [device]")
    .description("List apps, of all devices or of one")
    .action(async (device: string | undefined, _options: object, command: Command) => {
      const { client, format } = await openSession(command);
      const ids = device === undefined ? (await allDevices(client)).map(({ id }) => id) : [device];
      const rows = [];
      for (const id of ids) rows.push(...appRows(await client.call<DeviceView>("GET", `/v1/devices/${encodeURIComponent(id)}`)));
      printRows(format, rows, {
        DEVICE: (row) => row.device,
        APP: (row) => row.app,
        IMAGE: (row) => row.image,
        PHASE: (row) => row.phase,
        HEALTH: (row) => row.health,
        RESTARTS: (row) => String(row.restarts),
        REVISION: (row) => String(row.revision ?? "-"),
        REASON: (row) => row.reason,
      });
    });
}

function appRows(view: DeviceView) {
  const reports = new Map(view.reported?.apps.map((app) => [app.name, app]));
  const names = new Set([...view.desired.apps.map(({ name }) => name), ...reports.keys()]);
  return [...names].map((name) => {
    const desired = view.desired.apps.find((app) => app.name === name);
    const report = reports.get(name);
    return {
      device: view.id,
      app: name,
      image: desired?.image.name ?? report?.imageDigest ?? "",
      phase: report?.phase ?? "pending",
      health: report?.health ?? "none",
      restarts: report?.restarts ?? 0,
      revision: report?.revision,
      reason: report?.reason ?? (view.online ? "not reported yet" : "the device is offline"),
    };
  });
}

interface DeployOptions extends Partial<DeployFlags> {
  readonly file?: string;
  readonly wait?: boolean;
  readonly timeout: string;
}

async function deploy(device: string, app: string, words: string[], options: DeployOptions, command: Command): Promise<void> {
  const flags = { ...NO_LISTS, ...options };
  const spec = specFromFlags(await fromFile(options.file), flags, words);
  const security = await securityOf(flags, spec.security);
  if (security !== undefined) spec.security = security;
  const timeoutMs = parseDuration("--timeout", options.timeout);
  if (spec.image === undefined) throw new LightvError("LV_USAGE", `no image for ${app}`, { hint: "--image NAME, or an app file with one" });
  const { client } = await openSession(command);
  const before = await client.call<DesiredView>("GET", `/v1/devices/${encodeURIComponent(device)}/desired`);
  const desired = await client.call<DesiredView>("PUT", appPath(device, app), spec);
  if (options.wait) {
    const same = isDeepStrictEqual(find(before, app), find(desired, app));
    await waitFor(client, device, timeoutMs, (view) => isRunning(view, app, desired, same));
  }
  console.log(`${app} ${options.wait ? "runs" : "deployed"} on ${device} (revision ${desired.revision})`);
}

async function fromFile(file: string | undefined): Promise<AppSpec> {
  if (file === undefined) return {};
  try {
    const {
      name: _name,
      image,
      ...rest
    } = JSON.parse(await readFile(file, "utf8")) as Omit<AppSpec, "image"> & { name?: string; image?: unknown };
    const reference = typeof image === "object" && image !== null && "digest" in image ? String(image.digest) : image;
    return { ...rest, ...(typeof reference === "string" ? { image: reference } : {}) };
  } catch (error) {
    throw new LightvError("LV_USAGE", `cannot read the app from ${file}: ${messageOf(error)}`, {
      hint: "JSON, as docs/protocol.md describes an app",
    });
  }
}

function appPath(device: string, app: string): string {
  return `/v1/devices/${encodeURIComponent(device)}/apps/${encodeURIComponent(app)}`;
}

function find({ apps }: DesiredView, name: string) {
  return apps.find((app) => app.name === name);
}

/** What to wait for: true when it is so, a text while it is not. Throws when it can't become so. */
export type Condition = (view: DeviceView) => true | string;

/** An app that did not change keeps its sandbox, and with it the revision that it was made from. */
function isRunning(view: DeviceView, name: string, desired: DesiredView, same: boolean): true | string {
  if (!view.online) return "the device is offline";
  const report = view.reported?.apps.find((app) => app.name === name);
  if ((view.reported?.desiredRevision ?? 0) < desired.revision) return notTaken(report);
  if (report === undefined) return "pending";
  if (report.revision < desired.revision && !same) {
    // The device went back to the version before by itself: what was asked for will not come.
    if (report.phase === "running" && report.reason.includes(`because revision ${desired.revision} failed`))
      throw new LightvError("LV_SANDBOX", `${name} on ${view.id}: ${report.reason}`, { hint: `lightv fleet logs ${view.id} ${name}` });
    return describe(report);
  }
  if (report.phase === "failed" || report.phase === "crashloop")
    throw new LightvError("LV_SANDBOX", `${name} on ${view.id} is in the phase ${report.phase}: ${report.reason}`, {
      hint: `lightv fleet logs ${view.id} ${name}`,
    });
  return report.phase === "running" && (report.health === "none" || report.health === "healthy") ? true : describe(report);
}

function isGone(view: DeviceView, name: string, revision: number): true | string {
  if (!view.online) return "the device is offline";
  const report = view.reported?.apps.find((app) => app.name === name);
  if ((view.reported?.desiredRevision ?? 0) < revision) return notTaken(report);
  return report === undefined ? true : describe(report);
}

/** A device whose disk does not take a desired state says so in the apps' reasons. */
function notTaken(report: AppReport | undefined): string {
  return `the device has not taken it yet${report === undefined || report.reason === "" ? "" : `: ${report.reason}`}`;
}

function describe({ phase, reason, progress }: AppReport): string {
  const part = progress === undefined || progress.total === 0 ? "" : ` ${Math.floor((progress.done / progress.total) * 100)} %`;
  return `${phase}${part}${reason === "" ? "" : `: ${reason}`}`;
}

/** Tells every change on stderr. Throws LV_TIMEOUT with the last state. */
export async function waitFor(client: Client, device: string, timeoutMs: number, condition: Condition, label = ""): Promise<void> {
  const end = performance.now() + timeoutMs;
  let told = "";
  for (;;) {
    const state = condition(await client.call<DeviceView>("GET", `/v1/devices/${encodeURIComponent(device)}`));
    if (state === true) return;
    if (state !== told) process.stderr.write(`${label}${oneLine(state)}\n`);
    told = state;
    if (performance.now() > end)
      throw new LightvError("LV_TIMEOUT", `not reached after ${timeoutMs / 1000} s: ${state}`, {
        hint: "it goes on all the same; `lightv fleet apps` and `devices` show where it is",
      });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
