/** Podman with roots of its own, and crun. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Commands } from "./commands.ts";
import { type Engine, type ImageSource, importTar, removeAll } from "./engine.ts";
import type { Undo } from "./undo.ts";

export class Podman implements Engine {
  readonly name = "podman";
  readonly own = false;
  readonly cli: readonly string[];
  readonly #commands: Commands;
  readonly #directory: string;

  constructor(commands: Commands, directory: string, run: string) {
    this.#commands = commands;
    this.#directory = directory;
    const roots = ["--root", join(directory, "storage"), "--runroot", join(run, "storage"), "--tmpdir", join(run, "tmp")];
    this.cli = ["env", `CONTAINERS_CONF=${join(directory, "containers.conf")}`, "podman", ...roots, "--cgroup-manager", "cgroupfs"];
  }

  /** Limits of its own choice are refused where they are above the bench's and it may not raise them (no CAP_SYS_RESOURCE). */
  async start(undo: Undo): Promise<void> {
    mkdirSync(this.#directory, { recursive: true });
    const containers = '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n';
    const engine = '[engine]\nevents_logger = "none"\nruntime = "crun"\n';
    writeFileSync(join(this.#directory, "containers.conf"), `${containers}${engine}`);
    await this.#commands.ok([...this.cli, "info"], { timeoutMs: 60_000 });
    undo.add("containers of podman", () => removeAll(this.#commands, this));
  }

  addImage(source: ImageSource): Promise<void> {
    return importTar(this.#commands, this, this.#directory, source);
  }
}
