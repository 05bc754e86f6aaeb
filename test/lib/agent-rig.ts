/** A supervisor with everything around it in memory, that can die at any call and be started again on what it left. */
import { DatabaseSync } from "node:sqlite";
import type { LightvError } from "#agent/lib/errors.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { type ImageFacts, TIMING, type Timing } from "#agent/supervisor/model.ts";
import type { DiskSpace, Images } from "#agent/supervisor/ports.ts";
import type { Reading } from "#agent/supervisor/pressure.ts";
import { RECORD_SCHEMA, RecordStore } from "#agent/supervisor/record-store.ts";
import { targetOf } from "#agent/supervisor/spec.ts";
import { Supervisor } from "#agent/supervisor/supervisor.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { FakeNative } from "./fake-native.ts";

export const MIB = 1024 * 1024;
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

export function digest(n: number): string {
  return `sha256:${n.toString(16).padStart(64, "0")}`;
}

/** An app of image `n`; its command tells the fake engine how to behave. */
export function app(name: string, n: number, more: Partial<App> = {}): App {
  return { name, image: { name: `${name}:${n}`, digest: digest(n), size: 1000 }, ...more };
}

export class FakeImages implements Images {
  readonly store = new Map<string, ImageFacts>();
  readonly pulls: string[] = [];
  /** Thrown by pulls of this digest. */
  readonly failures = new Map<string, LightvError>();
  /** Pulls of these hang until they are aborted. */
  readonly hanging = new Set<string>();
  architecture = "amd64";

  async facts(id: string): Promise<ImageFacts | undefined> {
    return this.store.get(id);
  }

  async pull(image: App["image"], { signal }: { signal: AbortSignal }): Promise<void> {
    this.pulls.push(image.digest);
    const failure = this.failures.get(image.digest);
    if (failure !== undefined) throw failure;
    if (this.hanging.has(image.digest))
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    this.store.set(image.digest, { architecture: this.architecture, memoryBytes: undefined });
  }

  async keep(): Promise<void> {}
}

export interface RigOptions {
  readonly timing?: Partial<Timing>;
  readonly memoryBytes?: number;
  /** Needed by tests that end the agent in the midst of something. */
  readonly databaseFile?: string;
}

/** The disk and the machine; `agent()` gives a new process on them. */
export class Rig {
  readonly clock = new FakeClock();
  readonly native = new FakeNative(this.clock);
  readonly images = new FakeImages();
  /** What the device's memory is like. */
  reading: Reading = { someAvg10: 0, fullAvg10: 0, availableBytes: 512 * MIB, totalBytes: 1024 * MIB };
  space: DiskSpace = { freeBytes: 512 * MIB, totalBytes: 1024 * MIB };
  database: DatabaseSync;
  supervisor: Supervisor;
  outbox: Outbox;
  private readonly options: RigOptions;

  constructor(options: RigOptions = {}) {
    this.options = options;
    this.database = new DatabaseSync(options.databaseFile ?? ":memory:");
    this.database.exec(OUTBOX_SCHEMA + RECORD_SCHEMA);
    [this.supervisor, this.outbox] = this.agent();
  }

  async desire(revision: number, ...apps: App[]): Promise<void> {
    this.supervisor.setDesired(apps.map((one) => targetOf(one, revision)));
    await settle();
  }

  async start(): Promise<void> {
    this.supervisor.start();
    await settle();
  }

  /** The process ends without a word, and a new one begins. */
  async restart(revision: number, ...apps: App[]): Promise<void> {
    const old = this.supervisor;
    this.native.dropWatches();
    await Promise.all([old.stop(), this.clock.advance(0)]);
    if (!this.database.isOpen) this.database = new DatabaseSync(this.options.databaseFile ?? ":memory:");
    [this.supervisor, this.outbox] = this.agent();
    this.supervisor.setDesired(apps.map((one) => targetOf(one, revision)));
    await this.start();
  }

  /** From now on the agent can't write anything, as if it were dead; restart() brings a new one. */
  kill(): void {
    this.database.close();
  }

  report(name: string): AppReport {
    const found = this.supervisor.reports().find((one) => one.name === name);
    if (found === undefined) throw new Error(`no report of ${name}`);
    return found;
  }

  events(type?: string): DeviceEvent[] {
    return this.outbox.next(0, Number.MAX_SAFE_INTEGER, 100_000).filter((event) => type === undefined || event.type === type);
  }

  private agent(): [Supervisor, Outbox] {
    const records = new RecordStore(this.database);
    records.load();
    const outbox = new Outbox(this.database, this.clock, 64 * MIB);
    outbox.load();
    const supervisor = new Supervisor({
      engine: new SandboxEngine(this.native.engine()),
      images: this.images,
      records,
      events: outbox,
      clock: this.clock,
      random: () => 0.5,
      log: SILENT,
      timing: { ...TIMING, ...this.options.timing },
      capacity: { memoryTotalBytes: this.options.memoryBytes ?? 1024 * MIB, memoryReserveBytes: 0 },
      architecture: "amd64",
      operationTimeoutMs: 60_000,
      pressure: async () => this.reading,
      disk: async () => this.space,
    });
    return [supervisor, outbox];
  }
}
