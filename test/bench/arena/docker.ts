/**
 * Docker: the machine's engine when one answers, else a containerd and a dockerd of the bench's own, with roots of their own and without a
 * network, ended by their pids.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Commands, endDaemon, lastLine } from "./commands.ts";
import { BENCH, type Engine, type ImageSource, importTar, removeAll } from "./engine.ts";
import type { Undo } from "./undo.ts";

export interface DockerPlace {
  /** Data on disk; run-time state in memory. */
  readonly directory: string;
  readonly run: string;
  readonly cgroupParent: string;
}

export class Docker implements Engine {
  readonly name = "docker";
  readonly own = false;
  readonly cli: readonly string[];
  readonly #commands: Commands;
  readonly #directory: string;

  private constructor(commands: Commands, place: DockerPlace, cli: readonly string[]) {
    this.#commands = commands;
    this.#directory = place.directory;
    this.cli = cli;
  }

  /** Throws an Error that says why it does not run here. */
  static async start(commands: Commands, undo: Undo, place: DockerPlace): Promise<Docker> {
    if ((await commands.run(["docker", "version"], { timeoutMs: 20_000 })).code === 0) return Docker.#ofTheMachine(commands, undo, place);
    const daemons = await startDaemons(commands, undo, place);
    const docker = new Docker(commands, place, ["docker", "-H", `unix://${addresses(place).docker}`]);
    await docker.#answers(daemons);
    undo.add("containers", () => removeAll(commands, docker));
    return docker;
  }

  /** It serves others too: only what has the bench's name is removed. */
  static #ofTheMachine(commands: Commands, undo: Undo, place: DockerPlace): Docker {
    mkdirSync(place.directory, { recursive: true });
    const ours = [
      "sh",
      "-c",
      `docker ps -aq --filter name=^${BENCH} | xargs -r docker rm -f; docker images -q '${BENCH}*' | xargs -r docker rmi -f`,
    ];
    undo.add("containers and images", () => commands.run(ours, { always: true }));
    return new Docker(commands, place, ["docker"]);
  }

  addImage(source: ImageSource): Promise<void> {
    return importTar(this.#commands, this, this.#directory, source);
  }

  async #answers(daemons: readonly ChildProcess[]): Promise<void> {
    let said = "";
    for (let tries = 0; tries < 150; tries++) {
      const ended = daemons.find(({ exitCode }) => exitCode !== null);
      if (ended !== undefined) throw new Error(`dockerd or containerd ended with ${ended.exitCode}: ${await this.#logs()}`);
      const { code, stderr } = await this.#commands.run([...this.cli, "version"], { timeoutMs: 20_000 });
      if (code === 0) return;
      said = lastLine(stderr);
      await sleep(200);
    }
    throw new Error(`dockerd did not answer: ${said}: ${await this.#logs()}`);
  }

  async #logs(): Promise<string> {
    const { stdout } = await this.#commands.run([
      "tail",
      "-n",
      "2",
      join(this.#directory, "dockerd.log"),
      join(this.#directory, "containerd.log"),
    ]);
    return stdout.trim().replaceAll("\n", " | ");
  }
}

function addresses({ run }: DockerPlace): { containerd: string; docker: string } {
  return { containerd: join(run, "containerd.sock"), docker: join(run, "docker.sock") };
}

async function startDaemons(commands: Commands, undo: Undo, place: DockerPlace): Promise<ChildProcess[]> {
  const { directory, run, cgroupParent } = place;
  const address = addresses(place);
  mkdirSync(directory, { recursive: true });
  await commands.ok(["mkdir", "-p", run]);
  const toml = join(directory, "containerd.toml");
  const roots = `version = 2\nroot = "${join(directory, "containerd")}"\nstate = "${join(run, "containerd")}"\n`;
  writeFileSync(toml, `${roots}disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${address.containerd}"\n`);
  const json = join(directory, "daemon.json");
  writeFileSync(json, JSON.stringify({ "deprecated-key-path": join(directory, "key.json") }));
  const containerd = commands.daemon(["containerd", "--config", toml], join(directory, "containerd.log"));
  undo.add("containerd", () => endDaemon(containerd));
  const network = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"];
  const roots2 = ["--data-root", join(directory, "docker"), "--exec-root", join(run, "docker"), "--pidfile", join(run, "docker.pid")];
  const sockets = ["--host", `unix://${address.docker}`, "--containerd", address.containerd];
  const dockerd = commands.daemon(
    ["dockerd", "--config-file", json, ...roots2, ...sockets, ...network, "--cgroup-parent", cgroupParent],
    join(directory, "dockerd.log"),
  );
  undo.add("dockerd", () => endDaemon(dockerd));
  return [containerd, dockerd];
}
