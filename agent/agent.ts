/** The agent's parts put together, in the order in which data flows: what works without a network first, then what talks to the controller. */
import { execFile } from "node:child_process";
import { networkInterfaces, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { StatusServer } from "#agent/api/status-server.ts";
import type { Config } from "#agent/config/config.ts";
import { DesiredState } from "#agent/desired/desired.ts";
import { Intake } from "#agent/desired/intake.ts";
import { withWaiting } from "#agent/desired/waiting.ts";
import { makePrivateDirectory } from "#agent/lib/atomic-file.ts";
import type { Clock } from "#agent/lib/clock.ts";
import { LightvError, messageOf } from "#agent/lib/errors.ts";
import type { Logger } from "#agent/lib/log.ts";
import { openDatabase } from "#agent/lib/sqlite.ts";
import { Access } from "#agent/link/access.ts";
import type { Credentials } from "#agent/link/credentials.ts";
import { EventPump } from "#agent/link/event-pump.ts";
import { Link, type LinkHandlers } from "#agent/link/link.ts";
import { CommandJournal, JOURNAL_SCHEMA } from "#agent/reporter/command-journal.ts";
import { Heartbeat } from "#agent/reporter/heartbeat.ts";
import { goArch, readInventory } from "#agent/reporter/inventory.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";
import { limitedRejection } from "#agent/reporter/rejections.ts";
import { Reporter } from "#agent/reporter/reporter.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import type { Native } from "#agent/sandbox/native.ts";
import { DeviceImageStore } from "#agent/store/store.ts";
import { Commands } from "#agent/supervisor/commands.ts";
import { ImageSource } from "#agent/supervisor/image-source.ts";
import { readDisk } from "#agent/supervisor/limit-watch.ts";
import { TIMING } from "#agent/supervisor/model.ts";
import { readPressure } from "#agent/supervisor/pressure-watch.ts";
import { RECORD_SCHEMA, RecordStore } from "#agent/supervisor/record-store.ts";
import { targetOf } from "#agent/supervisor/spec.ts";
import { Supervisor } from "#agent/supervisor/supervisor.ts";
import { believedUntil, TimeFloor } from "#agent/supervisor/time-floor.ts";
import { writeWishes } from "#agent/supervisor/warm.ts";
import { forgetEnds } from "#agent/update/ends.ts";
import type { Launch } from "#agent/update/launch.ts";
import { hasNetwork } from "#agent/update/network.ts";
import { UpdatePart } from "#agent/update/part.ts";
import { freeBytesOf } from "#agent/update/room.ts";
import { proveSandbox, removeProof } from "#agent/update/sandbox-proof.ts";
import type { Desired } from "#agent/wire/protocol/desired.ts";
import manifest from "../package.json" with { type: "json" };

/** Pages of the one database: small, because the working set is. */
const DATABASE_CACHE_KIB = 256;
const RECONNECT_MIN_MS = 500;
const REBOOT_COMMAND_MS = 60_000;

/** What all parts share. */
export interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly native: Native;
  readonly monitorBinary: string;
  readonly signal: AbortSignal;
  /** Where this program is installed. */
  readonly tree: string;
  /** Our command line: another version of the agent is started with the same. */
  readonly args: readonly string[];
  readonly launch: Launch;
  /** Another version of the agent has to run now. */
  readonly onUpdate: (reason: string, failed: boolean) => void;
}

/** What works without a network. */
interface Inside {
  readonly outbox: Outbox;
  readonly journal: CommandJournal;
  readonly engine: SandboxEngine;
  readonly supervisor: Supervisor;
  readonly images: ImageSource;
  readonly desired: DesiredState;
  readonly access: Access;
}

/** What talks to the controller, through a link that may not be there yet. */
interface Outside {
  readonly reporter: Reporter;
  readonly heartbeat: Heartbeat;
  readonly pump: EventPump;
  readonly commands: Commands;
}

/** The agent as a whole. Constructing it does nothing. */
export class Agent {
  private readonly base: Base;
  private readonly undos: (() => unknown)[] = [];
  private link: Link | undefined;
  private reporter: Reporter | undefined;
  private intake: Intake | undefined;
  /** The controller has committed everything up to this agent's start when it has acknowledged this number. */
  private startSeq = Number.POSITIVE_INFINITY;
  private heard = false;

  constructor(base: Base) {
    this.base = base;
  }

  async start(): Promise<void> {
    const inside = await this.startInside();
    const update = this.makeUpdate(inside);
    const outside = this.startOutside(inside, update);
    this.connect(inside, outside, update);
    this.serveStatus(inside);
    update.start(inside.desired.current.agent);
    this.undos.push(() => update.stop());
  }

  /** Undoes start() in reverse order. */
  async stop(): Promise<void> {
    for (const undo of this.undos.splice(0).reverse()) await undo();
  }

  /** The database, the images, the sandboxes: adopts what runs and goes on from the last desired state. */
  private async startInside(): Promise<Inside> {
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
    this.startSeq = outbox.lastSeq();
    const records = new RecordStore(database);
    records.load();
    const engine = new SandboxEngine(native.openEngine({ root: config.root, run: config.runroot, monitorBinary }));
    const access = this.makeAccess(outbox);
    await access.load();
    const store = new DeviceImageStore({ root: config.root, clock, random: Math.random });
    await store.start(signal);
    this.undos.push(() => store.stop());
    const images = new ImageSource(store, clock, () => access.endpoint());
    const supervisor = new Supervisor({
      engine,
      images,
      records,
      events: outbox,
      clock,
      random: Math.random,
      log,
      timing: TIMING,
      capacity: { memoryTotalBytes: totalmem(), memoryReserveBytes: config.memoryReserveBytes },
      architecture: goArch(),
      operationTimeoutMs: config.operationTimeoutMs,
      pressure: () => readPressure(),
      disk: () => readDisk(config.root),
    });
    const desired = new DesiredState(config.root);
    const damage = await desired.load();
    if (damage !== undefined) log.error(damage);
    if (desired.current.revision > 0) supervisor.setDesired(targetsOf(desired.current));
    this.wish(desired.current);
    supervisor.start();
    this.undos.push(() => supervisor.stop());
    return { outbox, journal: new CommandJournal(database), engine, supervisor, images, desired, access };
  }

  /** Without it starts are slower, no more. */
  private wish({ apps }: Desired): void {
    const { config, log } = this.base;
    writeWishes(join(config.root, "warm"), apps).catch((error: unknown) => log.warn(messageOf(error)));
  }

  private makeAccess(outbox: Outbox): Access {
    const { config, clock, log } = this.base;
    return new Access({
      config,
      clock,
      random: Math.random,
      log,
      architecture: goArch(),
      agentVersion: manifest.version,
      onEnrolled: (device) => outbox.add({ type: "agent.enrolled", data: { device } }),
    });
  }

  private makeUpdate({ outbox, supervisor, images, engine }: Inside): UpdatePart {
    const { config, clock, log, native, launch, tree, args, onUpdate } = this.base;
    return new UpdatePart({
      launch,
      version: manifest.version,
      tree,
      args,
      architecture: goArch(),
      keysDirectory: config.updateKeysDirectory,
      trialMs: config.updateTrialMs,
      operationTimeoutMs: config.operationTimeoutMs,
      clock,
      log,
      events: outbox,
      payloads: {
        fetch: (image, signal, onProgress) => images.pullPinned(image, { signal, onProgress }),
        unpin: (digest) => images.unpin(digest),
        makeRoom: () => images.collect(),
        discard: (digest) => images.discard(digest),
      },
      native,
      freeBytes: freeBytesOf,
      hasNetwork: () => hasNetwork(networkInterfaces()),
      proveSandbox: (digest) => proveSandbox(engine, (one) => images.has(one), digest),
      clearProof: () => removeProof(engine),
      isOnline: () => this.link?.connected ?? false,
      backlog: () => outbox.count(),
      hasAdopted: () => supervisor.hasAdopted,
      isHeard: () => this.heard,
      end: onUpdate,
      onChange: () => this.reporter?.kick(),
    });
  }

  private startOutside({ outbox, journal, engine, supervisor, desired }: Inside, update: UpdatePart): Outside {
    const { config, clock, log } = this.base;
    const reporter = new Reporter({
      clock,
      log,
      apps: () => withWaiting(supervisor.reports(), desired.current, this.intake?.untaken),
      agent: () => update.report(),
      desiredRevision: () => desired.current.revision,
      rejectedMessages: () => this.link?.rejectedMessages ?? 0,
      lostEvents: () => outbox.lost(),
      inventory: () => readInventory(config.root),
      send: async (message) => this.online().publish("reported", message),
    });
    this.reporter = reporter;
    const heartbeat = new Heartbeat({
      clock,
      log,
      intervalMs: config.heartbeatMs,
      root: config.root,
      apps: () => supervisor.reports(),
      stats: (id) => engine.stats(id),
      outboxEvents: () => outbox.count(),
      send: async (message) => this.online().publish("metric", message),
    });
    const pump = new EventPump({ source: outbox, clock, send: async (events) => this.online().publish("event", { events }) });
    const commands = new Commands({
      clock,
      log,
      journal,
      engine,
      sandboxOf: (app) => supervisor.sandboxOf(app),
      restart: (app) => supervisor.restart(app),
      refreshInventory: () => reporter.refreshInventory(),
      runReboot: () => run(config.rebootCommand),
      sendResult: async (result) => this.online().publish("result", result),
      sendLog: async (batch) => this.online().publish("log", batch),
    });
    outbox.onEvent(() => pump.kick());
    supervisor.onChange(() => reporter.kick());
    commands.start();
    this.undos.push(() => commands.stop());
    return { reporter, heartbeat, pump, commands };
  }

  private online(): Link {
    if (this.link === undefined)
      throw new LightvError("LV_UNAVAILABLE", "the device is not enrolled yet", { hint: "it is sent once it is" });
    return this.link;
  }

  /** Begins to enrol if need be, and then to connect; neither is waited for. */
  private connect(inside: Inside, outside: Outside, update: UpdatePart): void {
    const { log, signal } = this.base;
    const handlers = this.handlers(inside, outside, update);
    const linked = inside.access.obtain(signal).then((credentials) => {
      if (credentials === undefined || signal.aborted) return;
      this.link = this.makeLink(credentials, inside, handlers);
      this.link.start();
    });
    linked.catch((error: unknown) => log.error(messageOf(error)));
    this.undos.push(async () => {
      await linked.catch(() => undefined);
      await this.link?.stop();
    });
  }

  private makeLink({ device, password, mqttUrl }: Credentials, { access, outbox }: Inside, handlers: LinkHandlers): Link {
    const { config, clock, log } = this.base;
    return new Link({
      url: config.mqttUrl ?? mqttUrl,
      device,
      password,
      keepaliveMs: config.keepaliveMs,
      ...access.trust,
      agentVersion: manifest.version,
      reconnectMinMs: RECONNECT_MIN_MS,
      reconnectMaxMs: config.reconnectMaxMs,
      nextSession: () => outbox.nextSession(),
      clock,
      random: Math.random,
      log,
      handlers,
    });
  }

  /** What comes in from the controller, and who deals with it. */
  private handlers(
    { outbox, supervisor, desired: state }: Inside,
    { reporter, heartbeat, pump, commands }: Outside,
    update: UpdatePart,
  ): LinkHandlers {
    const { config, clock, log, signal } = this.base;
    const floor = new TimeFloor(config.root);
    const reject = limitedRejection(clock, (data) => outbox.add({ type: "message.rejected", data }));
    const intake = new Intake({
      state,
      clock,
      log,
      signal,
      enforce: (desired: Desired) => {
        supervisor.setDesired(targetsOf(desired));
        this.wish(desired);
        update.setWanted(desired.agent);
      },
      reject: (reason: string) => reject("desired", reason, undefined),
      done: () => reporter.kick(),
    });
    this.intake = intake;
    return {
      onDesired: (message) => intake.offer(message),
      onAck: ({ seq, now, session }) => {
        commands.controllerClock.hear(now);
        floor.hear(now, believedUntil(clock.wallMs(), this.link?.certificateEndMs())).catch((error: unknown) => log.warn(messageOf(error)));
        this.hear(seq, outbox);
        pump.acknowledge(seq);
        if (session === undefined || !outbox.passSession(session)) return;
        log.warn("the controller knows a later session: this device's state is older than what it has told", { session });
        this.link?.reconnect();
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
            this.link?.reconnect();
          });
      },
    };
  }

  private hear(seq: number, outbox: Outbox): void {
    // A controller that knows more numbers than we have given makes the outbox number what waits anew, behind them.
    if (seq > outbox.lastSeq()) this.startSeq = seq + outbox.count();
    else if (seq >= this.startSeq && !this.heard) {
      this.heard = true;
      this.endBadRow();
    }
  }

  /** The launcher counts agents that end before they are heard. */
  private endBadRow(): void {
    const { config, launch, log } = this.base;
    if (launch.directory !== undefined) forgetEnds(config.runroot).catch((error: unknown) => log.warn(messageOf(error)));
  }

  private serveStatus({ supervisor, desired, outbox, access }: Inside): void {
    const { config, clock, log } = this.base;
    const server = new StatusServer(join(config.runroot, "agent.sock"), () => ({
      version: manifest.version,
      pid: process.pid,
      device: access.device(),
      connected: this.link?.connected ?? false,
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

function targetsOf(desired: Desired): ReturnType<typeof targetOf>[] {
  return desired.apps.map((app) => targetOf(app, desired.revision));
}

async function run([file = "", ...args]: readonly string[]): Promise<void> {
  await promisify(execFile)(file, args, { timeout: REBOOT_COMMAND_MS });
}
