/** A world whose agent is started as lightvd.service does it: by `lightv agent-launch`, again whenever it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { agentPayload, agentTree, distVersion, type TreeOptions } from "./agent-tree.ts";
import { run } from "./command.ts";
import { type DeviceView, until, World } from "./world.ts";

/** RestartSec of the unit, made short. */
const RESTART_MS = 100;

export interface Payload {
  readonly version: string;
  readonly file: string;
  readonly signature: string;
}

/** What a device tells of its agent. */
export interface AgentView {
  readonly version: string;
  readonly digest?: string;
  readonly slot: string;
  readonly phase: string;
  readonly reason: string;
  readonly wanted?: { readonly version: string; readonly digest: string; readonly attempt: number };
}

export class ServiceWorld extends World {
  /** How the agents before this one ended, oldest first. */
  readonly ends: string[] = [];
  #wanted = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(trialSeconds = 12) {
    super({ agent: ["heartbeat = 5", `update-trial = ${trialSeconds}`, "update-keys-dir = KEYS"] });
  }

  get usr(): string {
    return join(this.directory, "usr");
  }

  get keys(): string {
    return join(this.directory, "keys");
  }

  get slots(): string {
    return join(this.box.root, "agent/slots");
  }

  override async configFile(): Promise<string> {
    const file = await super.configFile();
    const text = readFileSync(file, "utf8");
    if (text.includes("= KEYS")) await this.#edit(file, text.replace("= KEYS", `= ${this.keys}`));
    return file;
  }

  async #edit(file: string, text: string): Promise<void> {
    await rm(file);
    appendFileSync(file, text, { mode: 0o600 });
  }

  /** The installed tree, a key pair whose public part the device has, and the service. */
  override async startAgent(): Promise<void> {
    if (!existsSync(this.usr)) await agentTree(this.usr, await distVersion(), { withNode: true });
    if (!existsSync(this.keys)) await this.makeKey("release", true);
    const config = await this.configFile();
    this.#wanted = true;
    this.#loop = this.#serve(config);
  }

  async #serve(config: string): Promise<void> {
    const program = join(this.usr, "bin/lightv");
    while (this.#wanted) {
      const log = openSync(join(this.directory, "lightvd.log"), "a");
      const child = spawn(program, ["agent-launch", "--config", config], { stdio: ["ignore", log, log], env: this.#environment() });
      closeSync(log);
      this.agent = child;
      const [code, signal] = await ended(child);
      this.ends.push(signal ?? String(code));
      const env = {
        SERVICE_RESULT: "",
        EXIT_CODE: signal === null ? "exited" : "killed",
        EXIT_STATUS: signal?.replace("SIG", "") ?? String(code),
      };
      await run(program, ["agent-launch", "--ended", "--config", config], { env });
      if (this.#wanted) await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    }
  }

  #environment(): NodeJS.ProcessEnv {
    const { LIGHTV_AGENT_SLOT: _slot, LIGHTV_AGENT_TRIAL: _trial, ...env } = process.env;
    return env;
  }

  override async endAgent(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#wanted = false;
    await super.endAgent(signal);
    await this.#loop;
  }

  /** The controller has acknowledged what the running agent wrote at its start: nothing that ended before counts any more. */
  async heard(): Promise<void> {
    await until("the agent to be heard", async () => {
      const starts = (await this.events()).filter(({ type }) => type === "agent.started");
      const known = starts.some(({ data }) => data.pid === this.agent?.pid);
      return known && !existsSync(join(this.box.runRoot, "agent-ends.json")) ? true : undefined;
    });
  }

  /** Ends what runs now without a word; the service starts it again. */
  killAgent(): void {
    this.agent?.kill("SIGKILL");
  }

  /** `trusted`: the device gets its public part. Gives the private part's file. */
  async makeKey(name: string, trusted: boolean): Promise<string> {
    mkdirSync(this.keys, { recursive: true });
    const file = join(this.directory, `${name}.key`);
    await this.fleetOk("keygen", file);
    if (trusted) appendFileSync(join(this.keys, `${name}.pem`), readFileSync(`${file}.pub.pem`));
    return file;
  }

  async payload(version: string, options: TreeOptions & { readonly key?: string; readonly architecture?: string } = {}): Promise<Payload> {
    const tree = join(this.directory, `tree-${version}`);
    const file = join(this.directory, `agent-${version}.lv`);
    await agentTree(tree, version, options);
    await agentPayload(file, tree, version, options.architecture);
    await rm(tree, { recursive: true });
    await this.fleetOk("sign-agent", file, "--key", options.key ?? join(this.directory, "release.key"));
    return { version, file, signature: `${file}.sig` };
  }

  upgrade({ file, signature }: Payload, ...flags: readonly string[]): ReturnType<World["fleet"]> {
    return this.fleet("upgrade-agent", this.device, "--image", file, "--signature", signature, ...flags);
  }

  async agentView(): Promise<AgentView | undefined> {
    return ((await this.view()) as (DeviceView & { agent: AgentView | null }) | undefined)?.agent ?? undefined;
  }

  /** The first report of the agent that `holds`. */
  async agentIs(what: string, holds: (view: AgentView) => boolean, timeoutMs = 60_000): Promise<AgentView> {
    const ask = async (): Promise<AgentView | undefined> => {
      const view = await this.agentView();
      return view !== undefined && holds(view) ? view : undefined;
    };
    return until(what, ask, timeoutMs, () => this.agentLog());
  }

  /** Types of the agent's own events, in order, without the starts. */
  async agentEvents(): Promise<string[]> {
    return (await this.events()).map(({ type }) => type).filter((type) => /^agent\.(update|rolled)/.test(type));
  }
}

function ended(child: ChildProcess): Promise<[number | null, string | null]> {
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
}
