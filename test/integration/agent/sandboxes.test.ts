/** The supervisor over the real addon: real sandboxes, deployed, updated, rolled back, lost and adopted. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { systemClock } from "#agent/lib/clock.ts";
import { type LogLine, LogReader } from "#agent/lib/cri-log.ts";
import { LightvError } from "#agent/lib/errors.ts";
import { openDatabase } from "#agent/lib/sqlite.ts";
import { goArch } from "#agent/reporter/inventory.ts";
import { OUTBOX_SCHEMA, Outbox } from "#agent/reporter/outbox.ts";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { loadNative } from "#agent/sandbox/load.ts";
import { readDisk } from "#agent/supervisor/limit-watch.ts";
import { TIMING } from "#agent/supervisor/model.ts";
import { RECORD_SCHEMA, RecordStore } from "#agent/supervisor/record-store.ts";
import { targetOf } from "#agent/supervisor/spec.ts";
import { Supervisor } from "#agent/supervisor/supervisor.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { DeviceEvent } from "#agent/wire/protocol/event.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { TOP } from "#test/lib/command.ts";
import { busyboxImage, imagesUnavailable, type TestImage } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { freePort } from "#test/lib/world.ts";

const test = suite("agent/sandboxes");
const ADDON = process.env.LIGHTV_ADDON ?? join(TOP, "build/release/lightv.node");
const MONITOR = process.env.LIGHTV_BIN ?? join(TOP, "build/release/lightv");
const TIMING_QUICK = { ...TIMING, provenMs: 500, minDelayMs: 100, maxDelayMs: 1000 };
const LIMIT = { timeoutMs: 120_000 };

/** A device in a temporary directory; the images are already in its store. */
class Device {
  readonly root: string;
  readonly run: string;
  readonly log: string[] = [];
  readonly engine: SandboxEngine;
  readonly images = new Map<string, TestImage>();
  private readonly directory: string;
  private agent: { supervisor: Supervisor; outbox: Outbox; close: () => void } | undefined;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "lightv-agent-"));
    this.root = join(this.directory, "root");
    this.run = join(this.directory, "run");
    mkdirSync(join(this.root, "agent"), { recursive: true });
    mkdirSync(this.run);
    this.engine = new SandboxEngine(loadNative(ADDON).openEngine({ root: this.root, run: this.run, monitorBinary: MONITOR }));
  }

  start(revision: number, apps: readonly App[]): void {
    const database = openDatabase(join(this.root, "agent/outbox.db"), OUTBOX_SCHEMA + RECORD_SCHEMA, { exclusive: true, cacheKib: 64 });
    const clock = systemClock();
    const records = new RecordStore(database);
    records.load();
    const outbox = new Outbox(database, clock, 1 << 24);
    outbox.load();
    const note = (text: string): void => void this.log.push(text);
    const supervisor = new Supervisor({
      engine: this.engine,
      images: {
        facts: async (digest) => (this.images.has(digest) ? { architecture: goArch(), memoryBytes: undefined } : undefined),
        pull: async (image) => {
          throw new LightvError("LV_FETCH", `${image.name} is nowhere`);
        },
        keep: async () => undefined,
      },
      records,
      events: outbox,
      clock,
      random: Math.random,
      log: { error: note, warn: note, info: note, debug: () => undefined },
      timing: TIMING_QUICK,
      capacity: { memoryTotalBytes: 2 ** 40, memoryReserveBytes: 0 },
      architecture: goArch(),
      pressure: async () => ({ someAvg10: 0, fullAvg10: 0, availableBytes: 2 ** 30, totalBytes: 2 ** 31 }),
      disk: () => readDisk(this.root),
      operationTimeoutMs: 30_000,
    });
    this.agent = { supervisor, outbox, close: () => database.close() };
    supervisor.setDesired(apps.map((app) => targetOf(app, revision)));
    supervisor.start();
  }

  async stop(): Promise<void> {
    await this.agent?.supervisor.stop();
    this.agent?.close();
    this.agent = undefined;
  }

  desire(revision: number, ...apps: App[]): void {
    this.agent?.supervisor.setDesired(apps.map((app) => targetOf(app, revision)));
  }

  report(name: string): AppReport | undefined {
    return this.agent?.supervisor.reports().find((report) => report.name === name);
  }

  events(type: string): DeviceEvent[] {
    return (this.agent?.outbox.next(0, Number.MAX_SAFE_INTEGER, 10_000) ?? []).filter((event) => event.type === type);
  }

  get supervisor(): Supervisor {
    if (this.agent === undefined) throw new Error("the agent does not run");
    return this.agent.supervisor;
  }

  async until(what: string, done: () => boolean): Promise<void> {
    for (let n = 0; n < 1500; n++) {
      if (done()) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`waited in vain for ${what}\n${JSON.stringify(this.supervisor.reports(), undefined, 1)}\n${this.log.join("\n")}`);
  }

  async app(name: string, command: readonly string[], more: Partial<App> = {}): Promise<App> {
    const image = await busyboxImage(this.root, { name, ...(more.labels === undefined ? {} : { env: [`V=${more.labels.v}`] }) });
    this.images.set(image.digest, image);
    return { name, image: { name: image.name, digest: image.digest, size: image.size }, command: [...command], ...more };
  }

  async destroy(): Promise<void> {
    await this.stop();
    for (const { id } of await this.engine.list()) await this.engine.remove(id);
    await this.engine.sweep();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function device(t: TestContext): Device {
  if (process.getuid?.() !== 0) t.skip("needs root");
  if (!existsSync(ADDON) || !existsSync(MONITOR)) t.skip(`${ADDON} or ${MONITOR} is not built: npm run build`);
  const missing = imagesUnavailable();
  if (missing !== undefined) t.skip(missing);
  const made = new Device();
  t.cleanup(() => made.destroy());
  return made;
}

const SLEEP = ["/bin/sleep", "1000"];

test(
  "deploys, reports and removes",
  async (t) => {
    const d = device(t);
    const web = await d.app("web", SLEEP);
    d.start(1, [web]);
    await d.until("running", () => d.report("web")?.phase === "running");
    assert.ok((d.report("web")?.pid ?? 0) > 1);
    assert.ok((await d.engine.stats(d.supervisor.sandboxOf("web"))).oomKills !== undefined);
    d.desire(2);
    await d.until("gone", () => d.supervisor.reports().length === 0);
    assert.equal(await d.engine.list(), []);
    assert.is(d.events("app.exited").length, 1);
  },
  LIMIT,
);

test(
  "an update replaces the old version, and one that can't start is rolled back",
  async (t) => {
    const d = device(t);
    const web = await d.app("web", SLEEP);
    d.start(1, [web]);
    await d.until("the first to be proved", () => d.events("app.proved").length === 1);
    d.desire(2, { ...web, env: { V: "2" } });
    await d.until("the second to be proved", () => d.events("app.proved").length === 2);
    await d.until("the first to be gone", () => d.report("web")?.revision === 2 && d.events("app.exited").length === 1);
    d.desire(3, { ...web, command: ["/bin/no-such-program"] });
    await d.until("the rollback", () => d.events("app.rolled-back").length === 1 && d.report("web")?.phase === "running");
    assert.is(d.report("web")?.revision, 2);
    assert.match(d.report("web")?.reason ?? "", /rolled back to revision 2.*LV_COMMAND_NOT_FOUND/);
  },
  LIMIT,
);

test(
  "a command that does not exist fails with its code, without a loop",
  async (t) => {
    const d = device(t);
    d.start(1, [await d.app("web", ["/bin/no-such-program"])]);
    await d.until("failed", () => d.report("web")?.phase === "failed");
    assert.match(d.report("web")?.reason ?? "", /LV_COMMAND_NOT_FOUND/);
    await d.until("nothing to be left", () => d.report("web")?.sandboxId === undefined);
  },
  LIMIT,
);

test(
  "what ends is started again, and each end is told once with its code",
  async (t) => {
    const d = device(t);
    d.start(1, [await d.app("job", ["/bin/sh", "-c", "exit 3"], { restart: { policy: "always", maxRetries: 1 } })]);
    await d.until("a crash loop", () => d.report("job")?.phase === "crashloop");
    assert.is(d.report("job")?.lastExit?.exitCode, 3);
    const exits = d.events("app.exited");
    assert.is(new Set(exits.map((event) => event.data.finishedAt)).size, exits.length);
  },
  LIMIT,
);

test(
  "an OOM kill is told as one",
  async (t) => {
    const d = device(t);
    const hog = 'x=a; while true; do x="$x$x"; done';
    d.start(1, [await d.app("hog", ["/bin/sh", "-c", hog], { budget: { memory: 8 << 20, swap: 0 }, restart: { policy: "no" } })]);
    await d.until("the end", () => d.report("hog")?.phase === "failed");
    assert.is(d.report("hog")?.lastExit?.oomKilled, true);
    assert.is(d.events("app.oom").length, 1);
  },
  LIMIT,
);

test(
  "an agent that comes back twenty times adopts what runs: same process, one start told",
  async (t) => {
    const d = device(t);
    const web = await d.app("web", SLEEP);
    d.start(1, [web]);
    await d.until("running", () => d.report("web")?.phase === "running");
    const pid = d.report("web")?.pid;
    for (let n = 0; n < 20; n++) {
      await d.stop();
      d.start(1, [web]);
      await d.until("adopted", () => d.report("web")?.phase === "running");
      assert.is(d.report("web")?.pid, pid);
    }
    assert.is(d.events("app.started").length, 1);
  },
  LIMIT,
);

test(
  "a monitor that is killed is seen, told and replaced, and no other sandbox notices",
  async (t) => {
    const d = device(t);
    const [web, other] = [await d.app("web", SLEEP), await d.app("other", SLEEP)];
    d.start(1, [web, other]);
    await d.until("running", () => d.report("web")?.phase === "running" && d.report("other")?.phase === "running");
    const [pid, otherPid] = [d.report("web")?.pid, d.report("other")?.pid];
    const info = (await d.engine.list()).find((one) => one.pid === pid) as unknown as { monitorPid: number };
    process.kill(info.monitorPid, "SIGKILL");
    await d.until("a new process", () => d.report("web")?.phase === "running" && d.report("web")?.pid !== pid);
    assert.is(d.report("web")?.lastExit?.lost, true);
    assert.is(d.events("app.exited").length, 1);
    assert.is(d.report("other")?.pid, otherPid);
  },
  LIMIT,
);

test(
  "health: exec checks make an app healthy, and restart it when they fail",
  async (t) => {
    const d = device(t);
    const health = { probe: { exec: ["/bin/cat", "/tmp/ok"] }, intervalMs: 100, retries: 2, startPeriodMs: 5000 };
    d.start(1, [await d.app("web", ["/bin/sh", "-c", "touch /tmp/ok; sleep 1000"], { health })]);
    await d.until("healthy", () => d.report("web")?.health === "healthy");
    const pid = d.report("web")?.pid;
    await d.engine.exec(d.supervisor.sandboxOf("web"), { args: ["/bin/rm", "/tmp/ok"], timeoutMs: 5000, maxOutputBytes: 1000 });
    await d.until("restarted", () => d.report("web")?.health === "healthy" && d.report("web")?.pid !== pid);
    assert.is(d.events("app.unhealthy").length, 1);
  },
  LIMIT,
);

test(
  "health: an http check sees what the sandbox serves, a tcp check whether it listens, and both restart it when it does not",
  async (t) => {
    const d = device(t);
    const [web, tcp] = [await freePort(), await freePort()];
    const often = { intervalMs: 100, retries: 2, startPeriodMs: 5000 };
    const serve = (port: number): string[] => [
      "/bin/sh",
      "-c",
      `mkdir /tmp/w; echo up >/tmp/w/up; httpd -p 127.0.0.1:${port} -h /tmp/w; sleep 1000`,
    ];
    d.start(1, [
      await d.app("web", serve(web), { network: "host", health: { probe: { http: { port: web, path: "/up" } }, ...often } }),
      await d.app("tcp", serve(tcp), { network: "host", health: { probe: { tcp: { port: tcp } }, ...often } }),
    ]);
    await d.until("both healthy", () => d.report("web")?.health === "healthy" && d.report("tcp")?.health === "healthy");
    const [webPid, tcpPid] = [d.report("web")?.pid, d.report("tcp")?.pid];
    await d.engine.exec(d.supervisor.sandboxOf("web"), { args: ["/bin/rm", "/tmp/w/up"], timeoutMs: 5000, maxOutputBytes: 1000 });
    const kill = ["/bin/busybox", "killall", "httpd"];
    await d.engine.exec(d.supervisor.sandboxOf("tcp"), { args: kill, timeoutMs: 5000, maxOutputBytes: 1000 });
    await d.until("both restarted", () => d.report("web")?.pid !== webPid && d.report("tcp")?.pid !== tcpPid);
    await d.until("both healthy again", () => d.report("web")?.health === "healthy" && d.report("tcp")?.health === "healthy");
    const told = d.events("app.unhealthy").map((event) => `${event.app}: ${event.data.reason}`);
    assert.match(told.find((text) => text.startsWith("web")) ?? "", new RegExp(`port ${web} answered 404 for /up`));
    assert.match(told.find((text) => text.startsWith("tcp")) ?? "", /ECONNREFUSED/);
  },
  LIMIT,
);

test(
  "the lines of a log keep their numbers when rotation has dropped the first of them",
  async (t) => {
    const d = device(t);
    const count = 700_000;
    const script = `seq 0 ${count - 1}; sleep 1000`;
    d.start(1, [await d.app("loud", ["/bin/busybox", "sh", "-c", script], { budget: { log: { rate: 0 } } })]);
    await d.until("running", () => d.report("loud")?.phase === "running");
    const path = d.engine.logPath(d.supervisor.sandboxOf("loud"));
    const follower = new LogReader(path);
    t.cleanup(() => follower.close());
    let [lines, expected]: [LogLine[], number] = [[], 0];
    const read = async (): Promise<void> => {
      lines = await follower.read();
      for (const { seq, text } of lines) if (seq !== Number(text)) throw new Error(`line ${text} has the number ${seq}`);
      expected = (lines.at(-1)?.seq ?? expected - 1) + 1;
    };
    for (let n = 0; n < 6000 && expected < count; n++) {
      await read();
      if (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.is(expected, count);
    assert.ok(existsSync(`${path}.1`), "it was rotated");
    const late = new LogReader(path);
    t.cleanup(() => late.close());
    assert.ok(((await late.read())[0]?.seq ?? 0) > 0, "the first lines are gone");
    const tail = await late.tail(3, 1000);
    assert.equal(
      tail.map(({ seq, text }) => [seq, text]),
      [3, 2, 1].map((back) => [count - back, String(count - back)]),
    );
  },
  LIMIT,
);
