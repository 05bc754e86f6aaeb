/**
 * A whole LightV on this machine, from dist/: a controller, an agent and the command, as processes of their own on roots and ports of
 * their own. Used by the demo, the bench and the fault tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "#agent/wire/protocol/app.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { Box, DIST, type Ran } from "./command.ts";
import { Fleet } from "./fleet.ts";

export interface WorldOptions {
  readonly device?: string;
  /** More lines of lightvd.conf. */
  readonly agent?: readonly string[];
  /** More arguments of lightv-fleet. */
  readonly fleet?: readonly string[];
  /** Trees like dist/ to run from: the bench gives agent and controller one each, so that they share no page of a program. */
  readonly dist?: { readonly agent: string; readonly fleet: string };
  /** What the agent is started by: a command that executes its arguments. */
  readonly agentPrefix?: readonly string[];
}

/** What GET /v1/devices/{id} tells, as far as it is used here. */
export interface DeviceView {
  readonly online: boolean;
  readonly desiredRevision: number;
  readonly ackedSeq: number;
  readonly lost: readonly unknown[];
  readonly reported: { readonly desiredRevision: number; readonly apps: readonly AppReport[]; readonly lostEvents: number } | null;
}

export interface EventView {
  readonly id: number;
  readonly seq: number;
  readonly type: string;
  readonly app?: string;
  readonly data: Record<string, unknown>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Asks until the answer is not undefined. Throws with `what` and the last state when the time is over. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 60_000,
  state: () => string = () => "",
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs / 1000} s for ${what} in vain\n${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class World {
  readonly box = new Box();
  readonly directory: string;
  readonly device: string;
  readonly controller: Fleet;
  agent: ChildProcess | undefined;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.device = options.device ?? "device-1";
    this.directory = mkdtempSync(join(tmpdir(), "lightv-world-"));
    mkdirSync(join(this.directory, "fleet"));
    this.controller = new Fleet(join(this.directory, "fleet"), {
      command: [join(options.dist?.fleet ?? DIST, "bin", "lightv-fleet")],
      extra: options.fleet ?? [],
    });
  }

  /** Why it can't run here, or undefined. */
  static unavailable(): string | undefined {
    return Box.unavailable() ?? (existsSync(join(DIST, "bin", "lightvd")) ? undefined : "dist/ is not built: npm run build");
  }

  /** Controller, agent, and the device's first connection. */
  async start(): Promise<void> {
    await this.controller.start();
    await this.startAgent();
    const online = async (): Promise<true | undefined> => ((await this.view())?.online === true ? true : undefined);
    await until("the device to be online", online, 30_000, () => this.agentLog());
  }

  /** Of the agent; made at its first start. */
  async configFile(): Promise<string> {
    const file = join(this.directory, "lightvd.conf");
    if (!existsSync(file)) {
      const lines = [
        `root = ${this.box.root}`,
        `runroot = ${this.box.runRoot}`,
        `controller-url = ${this.controller.endpoints.api}`,
        `enroll-token = ${await this.controller.enrolmentToken()}`,
        `device = ${this.device}`,
        "reconnect-max = 2",
        ...(this.#options.agent ?? ["heartbeat = 1"]),
      ];
      writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
    }
    return file;
  }

  /** Enrols at the first start; later starts use the device's own credentials. */
  async startAgent(): Promise<void> {
    const file = await this.configFile();
    const log = openSync(join(this.directory, "lightvd.log"), "a");
    const program = join(this.#options.dist?.agent ?? DIST, "bin", "lightvd");
    const [command = program, ...args] = [...(this.#options.agentPrefix ?? []), program, "--config", file];
    this.agent = spawn(command, args, { stdio: ["ignore", log, log] });
    closeSync(log);
  }

  /** The `lightv fleet` verbs against this controller. */
  fleet(...args: readonly string[]): Promise<Ran> {
    return this.box.lightv(["fleet", ...args], { env: this.fleetEnv, timeoutMs: 120_000 });
  }

  get fleetEnv(): Record<string, string> {
    return { LIGHTV_FLEET_URL: this.controller.endpoints.api, LIGHTV_FLEET_TOKEN: this.controller.token };
  }

  async fleetOk(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.fleet(...args);
    if (code !== 0) throw new Error(`lightv fleet ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** What the controller knows of the device; undefined while it can't be asked. */
  async view(): Promise<DeviceView | undefined> {
    return this.controller.api<DeviceView>("GET", `/v1/devices/${this.device}`).catch(() => undefined);
  }

  async appReport(name: string): Promise<AppReport | undefined> {
    return (await this.view())?.reported?.apps.find((app) => app.name === name);
  }

  /** Replaces the whole desired state; gives its revision. */
  async desire(apps: readonly App[]): Promise<number> {
    const { revision } = await this.controller.api<{ revision: number }>("PUT", `/v1/devices/${this.device}/desired`, { apps });
    return revision;
  }

  /** All events of the device that the controller has, in the order of their arrival. */
  async events(): Promise<EventView[]> {
    const all: EventView[] = [];
    for (let after = 0; ; ) {
      const page = await this.controller.api<{ events: EventView[]; next: number }>(
        "GET",
        `/v1/events?device=${this.device}&after=${after}`,
      );
      if (page.events.length === 0) return all;
      all.push(...page.events);
      after = page.next;
    }
  }

  /** The agent's last lines. */
  agentLog(): string {
    const file = join(this.directory, "lightvd.log");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(-40).join("\n") : "";
  }

  /** Ends the agent and waits for it. */
  async endAgent(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.agent;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(timer);
  }

  /** Agent, sandboxes, controller, files: in this order, all of it also when a step fails. */
  async close(): Promise<void> {
    const steps = [
      () => this.endAgent(),
      () => this.box.close(),
      () => this.controller.stop(),
      () => rm(this.directory, { recursive: true, force: true }),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, `not everything was cleaned up: ${failures.map(String).join("; ")}`);
  }
}
