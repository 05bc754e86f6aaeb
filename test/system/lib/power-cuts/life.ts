/**
 * One device over many power cuts: its disk is made once and goes on living, the controller on this machine never stops. `reach()` is what
 * must hold after each boot.
 */
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "#agent/lib/clock.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import type { AgentReport, Reported } from "#agent/wire/protocol/reported.ts";
import { run } from "#test/lib/command.ts";
import { Fleet } from "#test/lib/fleet.ts";
import { type DeviceView, type EventView, freePort, until } from "#test/lib/world.ts";
import { Machine } from "../machine.ts";
import { PowerDisk } from "../power-disk.ts";
import type { Platform } from "../recipe.ts";
import { type RootFs, rootFs } from "../rootfs.ts";
import { HOST } from "../site.ts";
import { agentInForce, GIVEN_UP } from "./agent-events.ts";
import { type Agent, Agents } from "./agents.ts";
import { commandOf, installOffline } from "./install.ts";
import type { Promised } from "./outcomes.ts";

export const DEVICE = "cut-off";
/** Where an app of every desired state answers, inside the device. */
export const WEB_PORT = 8080;

/** What a round does not need, and an emulated device spends a third of its boot on. */
const MASKED = [
  ...["systemd-logind.service", "systemd-update-utmp.service", "systemd-user-sessions.service", "getty.target"],
  ...["dm_mod", "fuse", "drm", "efi_pstore", "configfs"].map((name) => `modprobe@${name}.service`),
  ...["dev-hugepages", "dev-mqueue", "sys-kernel-debug", "sys-kernel-tracing"].map((name) => `${name}.mount`),
];
const KERNEL_ARGS = [
  ...MASKED.map((unit) => `systemd.mask=${unit}`),
  "modprobe.blacklist=cfg80211",
  // As docs/power-cuts.md asks of devices: nobody is there to answer.
  "fsck.repair=yes",
];

/** An emulated agent needs long for its first words; that a trial has an end is shown elsewhere. Seconds. */
const TRIAL_SECONDS = 600;

/** When the power goes: whichever comes first. */
export interface Moment {
  readonly writes: number;
  /** So many are to be at stake then. */
  readonly unflushed: number;
  readonly ms: number;
}

export interface LifeOptions {
  readonly platform: Platform;
  readonly deb: string;
  readonly say: (line: string) => void;
}

export class Life {
  readonly base: RootFs;
  readonly directory: string;
  readonly fleet: Fleet;
  readonly disk: PowerDisk;
  readonly machine: Machine;
  readonly webPort: number;
  /** `lightv` of the package, for this machine. */
  readonly command: readonly string[];
  readonly agents: Agents;
  /** Desired by now. */
  apps: readonly App[] = [];
  /** Every agent that was ever desired, the last one last. */
  readonly wantedAgents: Agent[] = [];
  revision = 0;

  private constructor(
    base: RootFs,
    directory: string,
    fleet: Fleet,
    disk: PowerDisk,
    machine: Machine,
    webPort: number,
    command: readonly string[],
    agents: Agents,
  ) {
    this.base = base;
    this.directory = directory;
    this.fleet = fleet;
    this.disk = disk;
    this.machine = machine;
    this.webPort = webPort;
    this.command = command;
    this.agents = agents;
  }

  static async begin({ platform, deb, say }: LifeOptions): Promise<Life> {
    const base = await rootFs(platform, say);
    const directory = await mkdtemp(join(tmpdir(), "lightv-power-"));
    const undos: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
    try {
      const [apiPort, mqttPort, webPort] = [await freePort(), await freePort(), await freePort()];
      const fleet = await startFleet(directory, apiPort, mqttPort);
      undos.push(() => fleet.stop());
      const file = join(directory, "disk.raw");
      await run("cp", ["--sparse=always", "--reflink=auto", base.disk, file]);
      const configuration = [
        `controller-url = http://${HOST}:${apiPort}`,
        `enroll-token = ${await fleet.enrolmentToken()}`,
        `device = ${DEVICE}`,
        "reconnect-max = 2",
        "heartbeat = 10",
        `update-trial = ${TRIAL_SECONDS}`,
      ];
      const command = await commandOf(platform, deb, directory);
      const agents = await Agents.open(directory, platform, join(directory, "package/usr"));
      const files = {
        "etc/lightv/lightvd.conf": `${configuration.join("\n")}\n`,
        "etc/lightv/update-keys/release.pem": agents.publicKey,
      };
      await installOffline({ platform, disk: file, deb, files });
      const socket = join(directory, "nbd");
      const disk = await PowerDisk.open({ file, socket });
      const machine = new Machine(base, { disk: { nbd: socket }, forward: { [WEB_PORT]: webPort }, memory: 512, kernelArgs: KERNEL_ARGS });
      return new Life(base, directory, fleet, disk, machine, webPort, command, agents);
    } catch (error) {
      for (const undo of undos.reverse()) await undo();
      throw error;
    }
  }

  /**
   * SIGKILL to QEMU, and in the same moment to the disk's cache: what of that survives, disk.cut() decides. It happens when the device has
   * made so many more writes, or when the time is over.
   */
  async freeze({ writes, unflushed, ms }: Moment): Promise<void> {
    const [late, reached] = [new AbortController(), this.disk.freezeAt(writes, unflushed)];
    await Promise.race([reached, sleep(ms, late.signal).catch(() => undefined)]);
    late.abort(new Error("over"));
    const dead = this.machine.cut();
    await this.disk.freeze();
    await Promise.all([dead, reached]);
  }

  /** What the device has promised by now, as the controller knows it. To be asked when the device is off. */
  async promised(): Promise<Promised> {
    const [view, events] = [await this.view(), await this.events()];
    return {
      events,
      ackedSeq: view?.ackedSeq ?? 0,
      reportedRevision: view?.reported?.desiredRevision ?? 0,
      desiredRevision: this.revision,
      agent: {
        base: this.agents.base,
        inForce: agentInForce(view, events),
        wanted: this.wantedAgents.at(-1)?.digest,
        trees: this.agents.trees,
      },
    };
  }

  /** Another version of the agent. */
  async upgrade(agent: Agent): Promise<void> {
    const { digest, version, architecture, signature, key } = agent.signature;
    const body = { image: digest, digest, version, architecture, signature, key };
    const { revision } = await this.fleet.api<{ revision: number }>("PUT", `/v1/devices/${DEVICE}/agent`, body);
    this.wantedAgents.push(agent);
    this.revision = revision;
  }

  async desire(apps: readonly App[]): Promise<void> {
    const { revision } = await this.fleet.api<{ revision: number }>("PUT", `/v1/devices/${DEVICE}/desired`, { apps });
    this.apps = apps;
    this.revision = revision;
  }

  view(): Promise<DeviceView | undefined> {
    return this.fleet.api<DeviceView>("GET", `/v1/devices/${DEVICE}`).catch(() => undefined);
  }

  /** All events of the device that the controller has. */
  async events(): Promise<EventView[]> {
    const all: EventView[] = [];
    for (let after = 0; ; ) {
      const page = await this.fleet.api<{ events: EventView[]; next: number }>(
        "GET",
        `/v1/events?device=${DEVICE}&after=${after}&limit=10000`,
      );
      if (page.events.length === 0) return all;
      all.push(...page.events);
      after = page.next;
    }
  }

  /** What the app of the desired state answers on its port; undefined while it does not. */
  answer(): Promise<string | undefined> {
    return fetch(`http://127.0.0.1:${this.webPort}/version`, { signal: AbortSignal.timeout(5000) })
      .then(async (response) => (response.ok ? (await response.text()).trim() : undefined))
      .catch(() => undefined);
  }

  /** The device is connected in this boot and runs what is desired, every app of it. Throws with the last report when it does not come to that. */
  async reach(timeoutMs: number): Promise<void> {
    let last: DeviceView | undefined;
    await until(
      `the desired state ${this.revision}`,
      async () => {
        last = await this.view();
        return last !== undefined && this.#isReached(last) ? true : undefined;
      },
      timeoutMs,
      () => JSON.stringify(last, undefined, 1),
    );
  }

  #isReached({ online, reported: some }: DeviceView): boolean {
    const reported = some as Reported | null;
    if (!online || reported === null || reported.desiredRevision !== this.revision) return false;
    if (reported.bootId !== this.machine.bootId) return false;
    if (!this.#hasAgent(reported.agent)) return false;
    const wanted = new Map(this.apps.map((app) => [app.name, app.image.digest]));
    return (
      reported.apps.length === wanted.size &&
      reported.apps.every((app) => app.phase === "running" && app.imageDigest === wanted.get(app.name))
    );
  }

  /** The agent that is wanted is in force, or was given up for a reason that a series of cuts is. Throws for a version that nobody wanted. */
  #hasAgent(agent: AgentReport | undefined): boolean {
    const wanted = this.wantedAgents.at(-1);
    if (wanted === undefined || agent === undefined) return wanted === undefined;
    const versions = [this.agents.base, ...this.wantedAgents.map(({ version }) => version)];
    if (!versions.includes(agent.version)) throw new Error(`the agent is version ${agent.version}, there were ${versions.join(" ")}`);
    if (agent.phase === "failed" && !GIVEN_UP.test(agent.reason)) throw new Error(`the agent's update failed: ${agent.reason}`);
    return agent.phase === "failed" || (agent.phase === "current" && agent.digest === wanted.digest && agent.version === wanted.version);
  }

  /** A copy of what is durable, for tools that must not touch the disk itself. To be taken while the device is off. */
  async snapshot(): Promise<string> {
    const copy = join(this.directory, "snapshot.raw");
    await rm(copy, { force: true });
    const { code } = await run("cp", ["--sparse=always", "--reflink=auto", this.disk.file, copy]);
    if (code !== 0) await copyFile(this.disk.file, copy);
    return copy;
  }

  async close(): Promise<void> {
    await this.machine.close();
    await this.disk.close();
    await this.fleet.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The controller, whose addresses are those that the device sees. */
async function startFleet(directory: string, apiPort: number, mqttPort: number): Promise<Fleet> {
  await mkdir(join(directory, "fleet"));
  const fleet = new Fleet(join(directory, "fleet"), {
    extra: [
      ...["--set", `api.public-url=http://${HOST}:${apiPort}`, "--set", `mqtt.public-url=mqtt://${HOST}:${mqttPort}`],
      ...["--set", `api.listen=127.0.0.1:${apiPort}`, "--set", `mqtt.listen=127.0.0.1:${mqttPort}`],
    ],
  });
  await fleet.start();
  // It says where devices reach it; we are on this side.
  fleet.endpoints = { ...fleet.endpoints, api: `http://127.0.0.1:${apiPort}` };
  return fleet;
}
