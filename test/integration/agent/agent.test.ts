/** lightvd as a process of its own, against a real controller: from enrolment to a reboot command, with kill -9 in between. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { loadNative } from "#agent/sandbox/load.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import { type AgentStatus, agentStatus } from "#test/lib/agent-status.ts";
import { TOP } from "#test/lib/command.ts";
import { type Fleet, startFleet } from "#test/lib/fleet.ts";
import { busyboxImageFile, imagesUnavailable } from "#test/lib/images.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";

const test = suite("agent/lightvd");
const ADDON = process.env.LIGHTV_ADDON ?? join(TOP, "build/release/lightv.node");
const MONITOR = process.env.LIGHTV_BIN ?? join(TOP, "build/release/lightv");
const DEVICE = "gate-7";
const LIMIT = { timeoutMs: 180_000 };

interface Event {
  readonly seq: number;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

class Device {
  readonly directory = mkdtempSync(join(tmpdir(), "lightv-lightvd-"));
  readonly root = join(this.directory, "root");
  readonly run = join(this.directory, "run");
  output = "";
  fleet: Fleet | undefined;
  child: ChildProcess | undefined;

  async begin(): Promise<Fleet> {
    for (const name of ["root", "run", "fleet"]) mkdirSync(join(this.directory, name));
    this.fleet = await startFleet(join(this.directory, "fleet"));
    const lines = [
      `root = ${this.root}`,
      `runroot = ${this.run}`,
      `controller-url = ${this.fleet.endpoints.api}`,
      `enroll-token = ${await this.fleet.enrolmentToken()}`,
      `device = ${DEVICE}`,
      "reconnect-max = 1",
      "heartbeat = 1",
      `reboot-command = /bin/touch ${join(this.directory, "rebooted")}`,
    ];
    writeFileSync(join(this.directory, "lightvd.conf"), lines.join("\n"));
    this.startAgent();
    return this.fleet;
  }

  startAgent(): ChildProcess {
    const main = [join(TOP, "agent/main.ts"), "--config", join(this.directory, "lightvd.conf"), "--addon", ADDON, "--monitor", MONITOR];
    const child = spawn(process.execPath, main, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (data) => {
      this.output += data;
    });
    this.child = child;
    return child;
  }

  async endAgent(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return ended;
  }

  status(): Promise<AgentStatus | undefined> {
    return agentStatus(this.run);
  }

  /** The agent's status, once `done` likes it. */
  async until(what: string, done: (status: AgentStatus) => boolean): Promise<AgentStatus> {
    let status: AgentStatus | undefined;
    for (let n = 0; n < 600; n++) {
      status = await this.status();
      if (status !== undefined && done(status)) return status;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`waited in vain for ${what}\n${JSON.stringify(status, undefined, 1)}\n${this.output}`);
  }

  async desire(...apps: App[]): Promise<void> {
    await this.fleet?.api("PUT", `/v1/devices/${DEVICE}/desired`, { apps });
  }

  async command(command: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = await this.fleet?.api<Record<string, unknown>>("POST", `/v1/devices/${DEVICE}/commands?waitMs=20000`, command);
    return answer ?? {};
  }

  async events(): Promise<Event[]> {
    return (await this.fleet?.api<{ events: Event[] }>("GET", `/v1/events?device=${DEVICE}&limit=1000`))?.events ?? [];
  }

  async app(name: string, command: readonly string[]): Promise<App> {
    const file = join(this.directory, `${name}.lv`);
    if (!existsSync(file)) await busyboxImageFile(file, { name });
    const image = await this.fleet?.push(file, name);
    assert.ok(image);
    return { name, image: { name: `${name}:latest`, digest: image.digest, size: image.size }, command: [...command] };
  }

  async destroy(): Promise<void> {
    await this.endAgent("SIGKILL");
    await this.fleet?.kill();
    const engine = new SandboxEngine(loadNative(ADDON).openEngine({ root: this.root, run: this.run, monitorBinary: MONITOR }));
    for (const { id } of await engine.list()) await engine.remove(id);
    await engine.sweep();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function device(t: TestContext): Promise<Device> {
  if (process.getuid?.() !== 0) t.skip("needs root");
  if (!existsSync(ADDON) || !existsSync(MONITOR)) t.skip(`${ADDON} or ${MONITOR} is not built: npm run build`);
  const missing = imagesUnavailable();
  if (missing !== undefined) t.skip(missing);
  const made = new Device();
  t.cleanup(() => made.destroy());
  await made.begin();
  await made.until("the first connection", (status) => status.connected);
  return made;
}

const running = (status: AgentStatus): boolean => status.apps.length === 1 && status.apps[0]?.phase === "running";

test(
  "enrols, pulls, runs, is killed twenty times, and no event is lost or doubled",
  async (t) => {
    const d = await device(t);
    await d.desire(await d.app("web", ["/bin/sleep", "1000"]));
    const { apps } = await d.until("the app to run", running);
    for (let n = 0; n < 20; n++) {
      await d.endAgent("SIGKILL");
      d.startAgent();
      const again = await d.until("the agent to be back", running);
      assert.is(again.apps[0]?.pid, apps[0]?.pid, "the workload does not notice");
    }
    await d.until("all events to be committed", (status) => status.connected && status.outboxEvents === 0);
    const events = await d.events();
    assert.equal(
      events.map((event) => event.seq),
      events.map((_, index) => index + 1),
    );
    assert.is(events.filter((event) => event.type === "app.started").length, 1);
    assert.is(events.filter((event) => event.type === "agent.started").length, 21);
  },
  LIMIT,
);

test(
  "starts without a network from the last desired state, and tells later what happened",
  async (t) => {
    const d = await device(t);
    await d.desire(await d.app("web", ["/bin/sleep", "1000"]));
    const { apps } = await d.until("the app to run", running);
    await d.fleet?.kill();
    assert.is(await d.endAgent("SIGTERM"), 0);
    process.kill(apps[0]?.pid ?? 0, "SIGKILL");
    d.startAgent();
    const offline = await d.until("the app to run again", (status) => running(status) && status.apps[0]?.pid !== apps[0]?.pid);
    assert.is(offline.connected, false);
    await d.fleet?.start();
    await d.until("the connection", (status) => status.connected && status.outboxEvents === 0);
    const types = (await d.events()).map((event) => event.type);
    assert.is(types.filter((type) => type === "app.exited").length, 1);
    assert.is(types.filter((type) => type === "app.started").length, 2);
  },
  LIMIT,
);

test(
  "commands are done once and answered: exec, logs, restart, inventory, reboot",
  async (t) => {
    const d = await device(t);
    await d.desire(await d.app("web", ["/bin/sh", "-c", "echo hello; sleep 1000"]));
    const { apps } = await d.until("the app to run", running);
    const exec = await d.command({ type: "exec", app: "web", command: ["/bin/echo", "one", "two"] });
    assert.match(JSON.stringify(exec), /one two/);
    const missing = await d.command({ type: "exec", app: "none", command: ["/bin/true"] });
    assert.match(JSON.stringify(missing), /LV_NOT_FOUND/);
    assert.match(JSON.stringify(await d.command({ type: "logs", app: "web", tail: 10 })), /"ok":true/);
    assert.match(JSON.stringify(await d.command({ type: "restart", app: "web" })), /"ok":true/);
    await d.until("another process", (status) => running(status) && status.apps[0]?.pid !== apps[0]?.pid);
    assert.match(JSON.stringify(await d.command({ type: "inventory" })), /"ok":true/);
    assert.match(JSON.stringify(await d.command({ type: "reboot" })), /"ok":true/);
    for (let n = 0; n < 200 && !existsSync(join(d.directory, "rebooted")); n++) await new Promise((resolve) => setTimeout(resolve, 50));
    rmSync(join(d.directory, "rebooted"));
    await d.endAgent("SIGKILL");
    d.startAgent();
    await d.until("the connection", (status) => status.connected);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.is(existsSync(join(d.directory, "rebooted")), false, "a reboot is not done twice");
  },
  LIMIT,
);

test(
  "a second agent on the same root is refused, and a wrong configuration is named with its line",
  async (t) => {
    const d = await device(t);
    const second = d.startAgent();
    assert.is(await new Promise((resolve) => second.once("exit", resolve)), 75);
    assert.match(d.output, /LV_CONFLICT.*outbox\.db is in use by another process/);
    const first = (await d.status())?.pid;
    assert.ok(first !== undefined && first !== second.pid);
    process.kill(first, "SIGTERM");
    const wrong = join(d.directory, "wrong.conf");
    writeFileSync(wrong, `${readFileSync(join(d.directory, "lightvd.conf"), "utf8")}\nhartbeat = 3\n`);
    const check = spawn(process.execPath, [join(TOP, "agent/main.ts"), "--check-config", "--config", wrong], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    check.stderr.on("data", (data) => {
      said += data;
    });
    assert.is(await new Promise((resolve) => check.once("close", resolve)), 2);
    assert.match(said, /wrong\.conf:9: no such key "hartbeat"/);
  },
  LIMIT,
);
