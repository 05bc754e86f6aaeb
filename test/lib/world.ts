/**
 * A whole LightV on this machine, from dist/: a controller, an agent and the command, as processes of their own on roots and ports of
 * their own. Used by the demo, the bench and the fault tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "#agent/wire/protocol/app.ts";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { Box, DIST, type Ran } from "./command.ts";

export interface WorldOptions {
  readonly heartbeatSeconds?: number;
  readonly device?: string;
}

/** What GET /v1/devices/{id} tells, as far as it is used here. */
export interface DeviceView {
  readonly online: boolean;
  readonly desiredRevision: number;
  readonly reported?: { readonly desiredRevision: number; readonly apps: readonly AppReport[]; readonly lostEvents: number };
}

export interface EventView {
  readonly seq: number;
  readonly type: string;
  readonly app?: string;
  readonly data: Record<string, unknown>;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
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
  apiUrl = "";
  apiPort = 0;
  mqttPort = 0;
  controller: ChildProcess | undefined;
  agent: ChildProcess | undefined;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), "lightv-world-"));
    this.device = options.device ?? "demo-device";
  }

  /** Why it can't run here, or undefined. */
  static unavailable(): string | undefined {
    return Box.unavailable() ?? (existsSync(join(DIST, "bin", "lightvd")) ? undefined : "dist/ is not built: npm run build");
  }

  async startController(): Promise<void> {
    if (this.apiPort === 0) {
      [this.apiPort = 0, this.mqttPort = 0] = await freePorts(2);
      this.apiUrl = `http://127.0.0.1:${this.apiPort}`;
      mkdirSync(join(this.directory, "fleet"), { recursive: true });
      const lines = [
        `data-dir = ${join(this.directory, "fleet")}`,
        `api.listen = 127.0.0.1:${this.apiPort}`,
        `mqtt.listen = 127.0.0.1:${this.mqttPort}`,
      ];
      writeFileSync(join(this.directory, "lightv-fleet.conf"), `${lines.join("\n")}\n`);
    }
    this.controller = this.#spawn("lightv-fleet", ["--config", join(this.directory, "lightv-fleet.conf")]);
    await until(
      "the controller's API",
      () => this.#healthy(),
      30_000,
      () => this.log("lightv-fleet"),
    );
  }

  /** Enrols at the first start; later starts use the device's own credentials. */
  async startAgent(): Promise<void> {
    const file = join(this.directory, "lightvd.conf");
    if (!existsSync(file)) {
      const { token } = await this.api<{ token: string }>("POST", "/v1/tokens", { uses: 1, note: "test" });
      const lines = [
        `root = ${this.box.root}`,
        `runroot = ${this.box.runRoot}`,
        `controller-url = ${this.apiUrl}`,
        `enroll-token = ${token}`,
        `device = ${this.device}`,
        `heartbeat = ${this.#options.heartbeatSeconds ?? 1}`,
        "reconnect-max = 2",
      ];
      writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
    }
    this.agent = this.#spawn("lightvd", ["--config", file]);
  }

  async waitOnline(): Promise<void> {
    await until(
      "the device to be online",
      async () => ((await this.view())?.online === true ? true : undefined),
      30_000,
      () => this.log("lightvd"),
    );
  }

  #spawn(name: "lightv-fleet" | "lightvd", args: readonly string[]): ChildProcess {
    const out = createWriteStream(join(this.directory, `${name}.log`), { flags: "a" });
    const child = spawn(join(DIST, "bin", name), args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    child.stdout?.pipe(out, { end: false });
    child.stderr?.pipe(out, { end: false });
    child.on("exit", () => out.end());
    return child;
  }

  async #healthy(): Promise<true | undefined> {
    try {
      return (await fetch(`${this.apiUrl}/healthz`)).ok && existsSync(join(this.directory, "fleet", "api-token")) ? true : undefined;
    } catch {
      return undefined;
    }
  }

  get token(): string {
    return readFileSync(join(this.directory, "fleet", "api-token"), "utf8").trim();
  }

  /** One API call; an answer that is not 2xx is an error with the body. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(`${this.apiUrl}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The `lightv fleet` verbs against this controller. */
  fleet(...args: readonly string[]): Promise<Ran> {
    return this.box.lightv(["fleet", ...args], {
      env: { LIGHTV_FLEET_URL: this.apiUrl, LIGHTV_FLEET_TOKEN: this.token },
      timeoutMs: 120_000,
    });
  }

  async fleetOk(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.fleet(...args);
    if (code !== 0) throw new Error(`lightv fleet ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async view(): Promise<DeviceView | undefined> {
    try {
      return await this.api<DeviceView>("GET", `/v1/devices/${this.device}`);
    } catch {
      return undefined;
    }
  }

  async appReport(name: string): Promise<AppReport | undefined> {
    return (await this.view())?.reported?.apps.find((app) => app.name === name);
  }

  /** Replaces the whole desired state; gives its revision. */
  async desire(apps: readonly App[]): Promise<number> {
    return (await this.api<{ revision: number }>("PUT", `/v1/devices/${this.device}/desired`, { apps })).revision;
  }

  /** All events of the device that the controller has, by sequence number. */
  async events(): Promise<EventView[]> {
    const all: EventView[] = [];
    for (;;) {
      const page = await this.api<{ events: EventView[] }>("GET", `/v1/events?device=${this.device}&after=${all.at(-1)?.seq ?? 0}`);
      if (page.events.length === 0) return all;
      all.push(...page.events);
    }
  }

  log(name: "lightv-fleet" | "lightvd"): string {
    const file = join(this.directory, `${name}.log`);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(-40).join("\n") : "";
  }

  /** Ends a process of ours and waits for it. */
  async end(child: ChildProcess | undefined, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
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
      () => this.end(this.agent),
      () => this.box.close(),
      () => this.end(this.controller),
      () => rm(this.directory, { recursive: true, force: true }),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, "not everything was cleaned up");
  }
}
