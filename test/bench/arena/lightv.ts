/** LightV in a world of its own: cold, where nothing runs ahead of a start, or hot, with `lightv runtime serve`. */
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Commands, endDaemon } from "./commands.ts";
import { type Engine, type ImageSource, removeAll } from "./engine.ts";
import type { Undo } from "./undo.ts";

export interface LightvPlace {
  readonly binary: string;
  /** On disk, and in memory. */
  readonly root: string;
  readonly runRoot: string;
  readonly cgroupParent: string;
}

export class Lightv implements Engine {
  readonly name: string;
  readonly own = true;
  readonly cli: readonly string[];
  readonly place: LightvPlace;
  readonly #commands: Commands;

  constructor(commands: Commands, name: string, place: LightvPlace) {
    this.name = name;
    this.place = place;
    this.cli = [place.binary, "--root", place.root, "--runroot", place.runRoot];
    this.#commands = commands;
  }

  /** The run root lies in the namespace's tmpfs, so it is made from there. */
  async start(undo: Undo): Promise<void> {
    mkdirSync(this.place.root, { recursive: true, mode: 0o700 });
    const script = 'mkdir -p -m 0700 "$1" && printf "%s\\n" "$2" > "$1/cgroup-parent"';
    await this.#commands.ok(["sh", "-c", script, "sh", this.place.runRoot, this.place.cgroupParent]);
    undo.add(`sandboxes of ${this.name}`, () => removeAll(this.#commands, this));
  }

  async addImage({ name, tree, command }: ImageSource): Promise<void> {
    await this.#commands.ok([...this.cli, "import", "-q", "--change", `CMD ${JSON.stringify(command)}`, tree, name]);
  }

  /** Starts the pool of prepared sandboxes and waits until it answers. Gives why there is none, or undefined. */
  async serve(undo: Undo, logFile: string): Promise<string | undefined> {
    const help = await this.#commands.run([...this.cli, "runtime", "--help"]);
    if (help.code !== 0) return "this lightv has no verb `runtime` yet, so there is no hot start";
    const child = this.#commands.daemon([...this.cli, "runtime", "serve"], logFile);
    undo.add("lightv runtime", async () => {
      await this.#commands.run([...this.cli, "runtime", "stop"], { always: true, timeoutMs: 20_000 });
      await endDaemon(child);
    });
    for (let tries = 0; tries < 100; tries++) {
      if (child.exitCode !== null) return `lightv runtime serve ended with ${child.exitCode}: ${logFile}`;
      if ((await this.status()) !== undefined) return undefined;
      await sleep(100);
    }
    return "lightv runtime serve did not answer within 10 s";
  }

  /** What `lightv runtime status --json` says; undefined while nobody serves. */
  async status(): Promise<Record<string, unknown> | undefined> {
    const { code, stdout } = await this.#commands.run([...this.cli, "runtime", "status", "--json"]);
    return code === 0 && stdout.startsWith("{") ? (JSON.parse(stdout) as Record<string, unknown>) : undefined;
  }
}
