/** lightvd, the agent: reads the configuration, puts the parts together, runs until SIGTERM. The workloads go on when it ends. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { StatusServer } from "#agent/api/status-server.ts";
import { type Config, loadConfig } from "#agent/config/config.ts";
import { type Credentials, loadCredentials, saveCredentials } from "#agent/config/credentials.ts";
import { type Flags, HELP, parseFlags } from "#agent/config/flags.ts";
import { DesiredState } from "#agent/desired/desired.ts";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import { fullJitterMs } from "#agent/lib/backoff.ts";
import { type Clock, systemClock } from "#agent/lib/clock.ts";
import { isLightvError, LightvError, messageOf } from "#agent/lib/errors.ts";
import { createLogger, type Logger } from "#agent/lib/log.ts";
import { openDatabase } from "#agent/lib/sqlite.ts";
import { EventPump } from "#agent/link/event-pump.ts";
import { Link } from "#agent/link/link.ts";
import { CommandJournal, JOURNAL_SCHEMA } from "#agent/reporter/command-journal.ts";
import { Heartbeat } from "#agent/reporter/heartbeat.ts";
import { collectInventory, goArch, readInventory } from "#agent/reporter/inventory.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";
import { Reporter } from "#agent/reporter/reporter.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { loadNative } from "#agent/sandbox/load.ts";
import type { Native } from "#agent/sandbox/native.ts";
import { DeviceImageStore } from "#agent/store/store.ts";
import { Commands } from "#agent/supervisor/commands.ts";
import { ImageSource } from "#agent/supervisor/image-source.ts";
import { TIMING } from "#agent/supervisor/model.ts";
import { RECORD_SCHEMA, RecordStore } from "#agent/supervisor/record-store.ts";
import { targetOf } from "#agent/supervisor/spec.ts";
import { Supervisor } from "#agent/supervisor/supervisor.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import manifest from "../package.json" with { type: "json" };

const here = dirname(fileURLToPath(import.meta.url));
const DEFAULT_CONFIG = "/etc/lightv/lightvd.conf";
/** Pages of the one database: small, because the working set is. */
const DATABASE_CACHE_KIB = 256;
/** A refused message is an event, but a flood of them is one event a second. */
const REJECTED_EVENT_MS = 1000;

const FIRST_COLLECTION_MS = 10_000;
const COLLECTION_MS = 300_000;

/** What all parts share. */
interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly native: Native;
  readonly monitorBinary: string;
  readonly signal: AbortSignal;
}

class Agent {
  private readonly base: Base;
  private readonly undos: (() => unknown)[] = [];

  constructor(base: Base) {
    this.base = base;
  }

  async start(): Promise<void> {
    const { config, clock, log, native, monitorBinary, signal } = this.base;
    await makePrivateDirectory(join(config.root, "agent"));
    await makePrivateDirectory(config.runroot);
    // Its lock is also what keeps a second agent off this root.
    const schema = OUTBOX_SCHEMA + JOURNAL_SCHEMA + RECORD_SCHEMA;
    const database = openDatabase(join(config.root, "agent", "outbox.db"), schema, { exclusive: true, cacheKib: DATABASE_CACHE_KIB });
    this.undos.push(() => database.close());
    const outbox = new Outbox(database, clock, config.outboxMaxBytes);
    outbox.load();
    outbox.add({ type: "agent.started", data: { version: manifest.version, pid: process.pid } });
    const records = new RecordStore(database);
    records.load();

    const engine = new SandboxEngine(native.openEngine({ root: config.root, run: config.runroot, monitorBinary }));
    const access = new Access(this.base);
    await access.load();
    const store = new DeviceImageStore({ root: config.root, clock, random: Math.random });
    await store.start(signal);
    this.undos.push(() => store.stop());
    const supervisor = new Supervisor({
      engine,
      images: new ImageSource(store, clock, () => access.endpoint()),
      records,
      events: outbox,
      clock,
      random: Math.random,
      log,
      timing: TIMING,
      capacity: { memoryTotalBytes: totalmem(), memoryReserveBytes: config.memoryReserveBytes },
      architecture: goArch(),
      operationTimeoutMs: config.operationTimeoutMs,
    });
    const desired = new DesiredState(config.root);
    const damage = await desired.load();
    if (damage !== undefined) log.error(damage);
    if (desired.current.revision > 0) supervisor.setDesired(targetsOf(desired.current));
    supervisor.start();
    this.undos.push(() => supervisor.stop());
    this.connect({ outbox, journal: new CommandJournal(database), engine, supervisor, desired, access });
  }

  /** Undoes start() in reverse order. */
  async stop(): Promise<void> {
    for (const undo of this.undos.splice(0).reverse()) await undo();
  }

  /** Everything that talks to the outside. */
  private connect(parts: Parts): void {
    const { config, clock, log, signal } = this.base;
    const { outbox, engine, supervisor, desired, access } = parts;
    let link: Link | undefined;
    const online = (): Link => {
      if (link === undefined) throw new LightvError("LV_UNAVAILABLE", "the device is not enrolled yet", { hint: "it is sent once it is" });
      return link;
    };
    const reporter = new Reporter({
      clock,
      log,
      apps: () => supervisor.reports(),
      desiredRevision: () => desired.current.revision,
      rejectedMessages: () => link?.rejectedMessages ?? 0,
      lostEvents: () => outbox.lost(),
      send: async (message) => online().publish("reported", message),
    });
    const heartbeat = new Heartbeat({
      clock,
      log,
      intervalMs: config.heartbeatMs,
      root: config.root,
      apps: () => supervisor.reports(),
      stats: (id) => engine.stats(id),
      outboxEvents: () => outbox.count(),
      send: async (message) => online().publish("metric", message),
    });
    const pump = new EventPump({ source: outbox, clock, send: async (events) => online().publish("event", { events }) });
    const inventory = [process.execPath, fileURLToPath(import.meta.url), "--inventory", "--root", config.root];
    const refreshInventory = async (): Promise<void> => reporter.setInventory(await readInventory(inventory, signal));
    const commands = new Commands({
      clock,
      log,
      journal: parts.journal,
      engine,
      sandboxOf: (app) => supervisor.sandboxOf(app),
      restart: (app) => supervisor.restart(app),
      refreshInventory,
      runReboot: () => run(config.rebootCommand),
      sendResult: async (result) => online().publish("result", result),
      sendLog: async (batch) => online().publish("log", batch),
    });
    outbox.onEvent(() => pump.kick());
    supervisor.onChange(() => reporter.kick());
    commands.start();
    this.undos.push(() => commands.stop());
    refreshInventory().catch((error: unknown) => log.warn(messageOf(error)));

    const reject = limitedRejection(clock, (data) => outbox.add({ type: "message.rejected", data }));
    const makeLink = ({ device, password, mqttUrl }: Credentials): Link =>
      new Link({
        url: config.mqttUrl ?? mqttUrl,
        device,
        password,
        keepaliveMs: config.keepaliveMs,
        ca: access.ca,
        pin: access.pin,
        agentVersion: manifest.version,
        reconnectMinMs: 500,
        reconnectMaxMs: config.reconnectMaxMs,
        nextSession: () => outbox.nextSession(),
        clock,
        random: Math.random,
        log,
        handlers: {
          onDesired: (message) => void this.accept(message, parts, reject, () => reporter.kick()),
          onAck: ({ seq, now }) => {
            commands.controllerClock.hear(now);
            pump.acknowledge(seq);
          },
          onCommand: (command) => commands.take(command),
          onRejected: (channel, reason, total) => {
            reject(channel, reason, total);
            reporter.kick();
          },
          onUp: (up) => {
            for (const work of [reporter.run(up), pump.run(up), heartbeat.run(up), commands.resend()])
              work.catch((error: unknown) => {
                // None of them may stop for good while the connection lives: a new one begins them all anew.
                log.error(messageOf(error));
                link?.reconnect();
              });
          },
        },
      });
    const linked = access.obtain(outbox).then((credentials) => {
      if (credentials === undefined || signal.aborted) return;
      link = makeLink(credentials);
      link.start();
    });
    linked.catch((error: unknown) => log.error(messageOf(error)));
    this.undos.push(async () => {
      await linked.catch(() => undefined);
      await link?.stop();
    });
    this.serveStatus(parts, () => link);
  }

  private async accept(message: Desired, parts: Parts, reject: Reject, tell: () => void): Promise<void> {
    const { desired, supervisor } = parts;
    const before = desired.current.revision;
    try {
      const acceptance = await desired.accept(message);
      if (!acceptance.taken) reject("desired", acceptance.reason, undefined);
      else if (desired.current.revision !== before) {
        this.base.log.info("new desired state", { revision: message.revision, apps: message.apps.length });
        supervisor.setDesired(targetsOf(message));
      }
    } catch (error) {
      // Not on disk, so not in force: the controller sends it again, because our reports keep the old revision.
      this.base.log.error(messageOf(error));
    }
    tell();
  }

  private serveStatus({ supervisor, desired, outbox, access }: Parts, link: () => Link | undefined): void {
    const { config, clock, log } = this.base;
    const server = new StatusServer(join(config.runroot, "agent.sock"), () => ({
      version: manifest.version,
      pid: process.pid,
      device: access.device(),
      connected: link()?.connected ?? false,
      bootId: clock.bootId(),
      uptimeMs: clock.uptimeMs(),
      desiredRevision: desired.current.revision,
      outboxEvents: outbox.count(),
      lostEvents: outbox.lost(),
      apps: supervisor.reports(),
    }));
    server.start().catch((error: unknown) => log.error(`no local API: ${messageOf(error)}`));
    this.undos.push(() => server.stop());
  }
}

interface Parts {
  readonly outbox: Outbox;
  readonly journal: CommandJournal;
  readonly engine: SandboxEngine;
  readonly supervisor: Supervisor;
  readonly desired: DesiredState;
  readonly access: Access;
}

/** Who we are for the controller, and whom we trust. */
class Access {
  ca: string | undefined;
  private readonly base: Base;
  private credentials: Credentials | undefined;

  constructor(base: Base) {
    this.base = base;
  }

  get pin(): string | undefined {
    return this.base.config.tlsPin?.replace("sha256:", "");
  }

  device(): string | undefined {
    return this.credentials?.device;
  }

  async load(): Promise<void> {
    const { root, caFile } = this.base.config;
    this.credentials = await loadCredentials(root);
    if (caFile !== undefined) this.ca = await readFile(caFile, "utf8");
  }

  endpoint(): { imagesUrl: string; authorization: string; ca: string | undefined } | undefined {
    if (this.credentials === undefined) return undefined;
    const { device, password, imagesUrl } = this.credentials;
    return { imagesUrl, authorization: `Basic ${Buffer.from(`${device}:${password}`).toString("base64")}`, ca: this.ca };
  }

  /** What is there, or what enrolment gives, tried until it works. Undefined: this device has no controller. Throws LV_DENIED. */
  async obtain(outbox: Outbox): Promise<Credentials | undefined> {
    const { config, clock, log, signal } = this.base;
    for (let attempt = 0; this.credentials === undefined; attempt++) {
      const token =
        config.enrollToken ?? (config.enrollTokenFile === undefined ? undefined : (await readFile(config.enrollTokenFile, "utf8")).trim());
      if (config.controllerUrl === undefined || token === undefined) {
        log.warn("not enrolled: set controller-url and enroll-token-file to connect this device to a fleet");
        return undefined;
      }
      try {
        const { enroll } = await import("#agent/link/enroll.ts");
        const request = {
          controllerUrl: config.controllerUrl,
          token,
          device: config.device,
          architecture: goArch(),
          agentVersion: manifest.version,
        };
        const credentials = await enroll({ ...request, ca: this.ca, pin: this.pin }, signal);
        await saveCredentials(config.root, credentials);
        this.credentials = credentials;
        outbox.add({ type: "agent.enrolled", data: { device: credentials.device } });
        log.info("enrolled", { device: credentials.device });
      } catch (error) {
        if (!isLightvError(error, "LV_UNAVAILABLE") || signal.aborted) throw error;
        const delayMs = 500 + fullJitterMs(attempt, { minMs: 1000, maxMs: config.reconnectMaxMs }, Math.random);
        log.warn(messageOf(error), { retryInMs: delayMs });
        await clock.sleep(delayMs, signal);
      }
    }
    return this.credentials;
  }
}

type Reject = (channel: string, reason: string, total: number | undefined) => void;

function limitedRejection(clock: Clock, add: (data: Record<string, unknown>) => void): Reject {
  let last = Number.NEGATIVE_INFINITY;
  return (channel, reason, total) => {
    if (clock.uptimeMs() - last < REJECTED_EVENT_MS) return;
    last = clock.uptimeMs();
    add({ channel, reason, ...(total === undefined ? {} : { total }) });
  };
}

function targetsOf(desired: Desired): ReturnType<typeof targetOf>[] {
  return desired.apps.map((app) => targetOf(app, desired.revision));
}

async function run([file = "", ...args]: readonly string[]): Promise<void> {
  await promisify(execFile)(file, args, { timeout: 60_000 });
}

/** The first that exists: beside the bundle as installed, or the development build. */
function locate(given: string | undefined, name: string, candidates: readonly string[]): string {
  const found = [given, ...candidates].find((file) => file !== undefined && existsSync(file));
  if (given !== undefined && found !== given)
    throw new LightvError("LV_USAGE", `${given} does not exist`, { hint: `name ${name} where it lies` });
  if (found === undefined)
    throw new LightvError("LV_USAGE", `${name} was not found in ${candidates.join(", ")}`, {
      hint: "run npm run build, or name it by a flag",
    });
  return found;
}

/** systemd's watchdog: half the time that it allows (sd_watchdog_enabled(3)). */
function keepWatchdog(native: Native): () => void {
  const usec = Number(process.env.WATCHDOG_USEC ?? 0);
  if (!(usec > 0)) return () => undefined;
  const timer = setInterval(() => native.sdNotify("WATCHDOG=1"), usec / 2000);
  return () => clearInterval(timer);
}

/** After the start, and then rarely: an idle agent makes too little garbage for V8 to give memory back by itself. Needs --expose-gc. */
function keepSmall(): () => void {
  const collect = (): void => void globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const first = setTimeout(collect, FIRST_COLLECTION_MS).unref();
  const timer = setInterval(collect, COLLECTION_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}

async function serve(config: Config, flags: Flags): Promise<void> {
  const clock = systemClock();
  const log = createLogger({
    level: config.logLevel,
    journald: process.env.JOURNAL_STREAM !== undefined,
    write: (line) => process.stderr.write(line),
    wall: clock.wall,
  });
  const native = loadNative(locate(flags.addon, "--addon", [join(here, "lightv.node"), join(here, "../build/release/lightv.node")]));
  const monitorBinary = locate(flags.monitor, "--monitor", [join(here, "../../bin/lightv"), join(here, "../build/release/lightv")]);
  const stopping = new AbortController();
  const agent = new Agent({ config, clock, log, native, monitorBinary, signal: stopping.signal });
  const ended = new Promise<string>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
  try {
    await agent.start();
    const quiet = [keepWatchdog(native), keepSmall()];
    native.sdNotify("READY=1");
    log.info("ready", { version: manifest.version, root: config.root });
    const signal = await ended;
    native.sdNotify("STOPPING=1");
    log.info(`stopping on ${signal}; the workloads go on`);
    for (const end of quiet) end();
  } finally {
    stopping.abort(new LightvError("LV_UNAVAILABLE", "the agent is stopping"));
    await agent.stop();
  }
}

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args);
  if (flags.mode === "help") return void process.stdout.write(HELP);
  if (flags.mode === "version") return void process.stdout.write(`lightvd ${manifest.version}\n`);
  const installed = join(here, "../../etc/lightv/lightvd.conf");
  const file = flags.config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : installed);
  const config = await loadConfig(file, flags.values, flags.config !== undefined);
  if (flags.mode === "check-config") return void process.stdout.write(`${file}: the configuration is right\n`);
  if (flags.mode === "inventory") return void process.stdout.write(JSON.stringify(await collectInventory(config.root)));
  await serve(config, flags);
}

main(process.argv.slice(2)).then(
  // Timers of libraries must not keep us: everything of ours is stopped.
  () => process.exit(0),
  (error: unknown) => {
    const usage = isLightvError(error, "LV_USAGE") || isLightvError(error, "LV_CONFIG");
    process.stderr.write(
      `lightvd: ${isLightvError(error) ? `${error.code}: ${messageOf(error)}` : error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exit(usage ? 2 : 1);
  },
);
