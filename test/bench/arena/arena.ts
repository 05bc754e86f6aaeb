/** Where all contestants meet: directories, the mount namespace, the programs of the bench, and the engines, each made when first asked for. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Commands } from "./commands.ts";
import { Docker } from "./docker.ts";
import { type Engine, HELLO } from "./engine.ts";
import { Lightv } from "./lightv.ts";
import { type Namespace, openNamespace } from "./namespace.ts";
import { Podman } from "./podman.ts";
import { plainTree } from "./trees.ts";
import type { Undo } from "./undo.ts";

export interface Missing {
  readonly name: string;
  /** Why, and how to get it. */
  readonly missing: string;
}

export const HOW_TO_INSTALL: Readonly<Record<string, string>> = {
  crun: "apt-get install crun",
  runc: "apt-get install runc",
  bwrap: "apt-get install bubblewrap",
  podman: "apt-get install podman",
  docker: "apt-get install docker.io containerd",
  nginx: "apt-get install nginx-light",
  "redis-server": "apt-get install redis-server",
  openssl: "apt-get install openssl",
};

/** More than the longest part takes. */
const NATIVE_TIMEOUT_MS = 900_000;

export class Arena {
  readonly top: string;
  readonly commands: Commands;
  readonly undo: Undo;
  readonly directory: string;
  /** A tmpfs in the namespace; from outside an empty directory. */
  readonly run: string;
  /** The tree of the image `hello`, with /hello, /idle and /work. */
  readonly tree: string;
  readonly #engines = new Map<string, Promise<Engine | Missing>>();
  #namespace: Namespace | undefined;

  constructor(top: string, commands: Commands, undo: Undo) {
    this.top = top;
    this.commands = commands;
    this.undo = undo;
    this.directory = mkdtempSync(join(tmpdir(), "lightv-bench-"));
    this.run = join(this.directory, "run");
    this.tree = join(this.directory, "tree");
    undo.add(this.directory, () => rmSync(this.directory, { recursive: true, force: true }));
  }

  /** One parent for the cgroups of all, so that none is left. */
  get cgroupParent(): string {
    return `/${basename(this.directory)}`;
  }

  async start(): Promise<void> {
    mkdirSync(this.run);
    await this.#build();
    this.#namespace = await openNamespace(this.run, this.undo);
    this.commands.prefix = this.#namespace.prefix;
    const remove = this.#namespace.removeGroups(basename(this.directory));
    this.undo.add("cgroups", () => this.commands.run(remove, { always: true }));
  }

  get #complaints(): string {
    return join(this.directory, "complaints");
  }

  program(name: string): string {
    return join(this.directory, "bin", name);
  }

  /** Runs one of the bench's own programs with this standard input. Gives what it prints. */
  native(name: string, args: readonly (string | number)[], input: string): Promise<string> {
    return this.commands.ok([this.program(name), ...args.map(String)], {
      input,
      stderrFile: this.#complaints,
      timeoutMs: NATIVE_TIMEOUT_MS,
    });
  }

  /** What contestants said on standard error since this was last asked: each line once, a few at most. */
  complaints(): string[] {
    if (!existsSync(this.#complaints)) return [];
    const lines = readFileSync(this.#complaints, "utf8")
      .split("\n")
      .filter((line) => line.trim() !== "");
    rmSync(this.#complaints);
    return [...new Set(lines)].slice(0, 5);
  }

  /** A program of the machine, or undefined. */
  async which(program: string): Promise<string | undefined> {
    const { code, stdout } = await this.commands.run(["sh", "-c", `command -v ${program}`]);
    return code === 0 ? stdout.trim() : undefined;
  }

  lightvCold(): Promise<Engine> {
    return this.#once("lightv cold", async () => (await this.#lightv("lightv cold", "cold")) as Engine) as Promise<Engine>;
  }

  lightvHot(): Promise<Engine | Missing> {
    return this.#once("lightv hot", async () => {
      const lightv = await this.#lightv("lightv hot", "hot");
      const missing = await lightv.serve(this.undo, join(this.directory, "runtime.log"));
      return missing === undefined ? lightv : { name: "lightv hot", missing };
    });
  }

  /** What the pool of prepared sandboxes says of itself; undefined where there is none, or nobody has asked for it yet. */
  async poolStatus(): Promise<unknown> {
    const hot = await this.#engines.get("lightv hot");
    return hot instanceof Lightv ? hot.status() : undefined;
  }

  docker(): Promise<Engine | Missing> {
    return this.#peer("docker", ["docker", "dockerd", "containerd"], () =>
      Docker.start(this.commands, this.undo, {
        directory: join(this.directory, "docker"),
        run: join(this.run, "docker"),
        cgroupParent: `${this.cgroupParent}/docker`,
      }),
    );
  }

  podman(): Promise<Engine | Missing> {
    return this.#peer("podman", ["podman", "crun"], async () => {
      const podman = new Podman(this.commands, join(this.directory, "podman"), join(this.run, "podman"));
      await podman.start(this.undo);
      return podman;
    });
  }

  async #lightv(name: string, world: string): Promise<Lightv> {
    const lightv = new Lightv(this.commands, name, {
      binary: join(this.top, "dist/bin/lightv"),
      root: join(this.directory, world),
      runRoot: join(this.run, world),
      cgroupParent: `${this.cgroupParent}/${world}`,
    });
    await lightv.start(this.undo);
    await lightv.addImage({ name: HELLO, tree: this.tree, command: ["/hello"] });
    return lightv;
  }

  #peer(name: string, programs: readonly string[], start: () => Promise<Engine>): Promise<Engine | Missing> {
    return this.#once(name, async () => {
      for (const program of programs)
        if ((await this.which(program)) === undefined)
          return { name, missing: `${program} is not installed: ${HOW_TO_INSTALL[program] ?? HOW_TO_INSTALL[name]}` };
      try {
        const engine = await start();
        await engine.addImage({ name: HELLO, tree: this.tree, command: ["/hello"] });
        return engine;
      } catch (error) {
        return { name, missing: `does not run here: ${error instanceof Error ? error.message : String(error)}` };
      }
    });
  }

  #once(name: string, make: () => Promise<Engine | Missing>): Promise<Engine | Missing> {
    const known = this.#engines.get(name) ?? make();
    this.#engines.set(name, known);
    return known;
  }

  /** The bench's own programs, static, and the tree of the image with those that run in it. */
  async #build(): Promise<void> {
    const sources = join(this.top, "test/bench/native");
    mkdirSync(join(this.directory, "bin"));
    const names = readdirSync(sources).filter((file) => file.endsWith(".cpp"));
    const queue = [...names];
    const worker = async (): Promise<void> => {
      for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
        const program = this.program(basename(file, ".cpp"));
        await this.commands.ok(["g++", "-O2", "-static", "-s", "-std=c++20", "-o", program, join(sources, file)]);
      }
    };
    await Promise.all(cpus().map(worker));
    plainTree(this.tree);
    for (const name of ["hello", "idle", "work"])
      if (existsSync(this.program(name))) await this.commands.ok(["install", "-m", "0755", this.program(name), join(this.tree, name)]);
    chmodSync(this.directory, 0o755);
  }
}

export function isMissing(engine: Engine | Missing): engine is Missing {
  return "missing" in engine;
}
