/**
 * One device over many power cuts: its disk is made once and goes on living, the controller on this machine never stops. `reach()` is what
 * must hold after each boot.
 */
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "#agent/lib/clock.ts";
import type { App } from "#agent/wire/protocol/app.ts";
import { run } from "#test/lib/command.ts";
import { Fleet } from "#test/lib/fleet.ts";
import { type DeviceView, type EventView, freePort, until } from "#test/lib/world.ts";
import { Machine } from "../machine.ts";
import { PowerDisk } from "../power-disk.ts";
import type { Platform } from "../recipe.ts";
import { type RootFs, rootFs } from "../rootfs.ts";
import { HOST } from "../site.ts";
import { commandOf, installOffline } from "./install.ts";
import type { Promised } from "./outcomes.ts";

export const DEVICE = "cut-off";
/** Where an app of every desired state answers, inside the device. */
export const WEB_PORT = 8080;

/**
 * An emulated timer is late when the host is busy, and the kernel then takes it for missing and stands still ("8254 timer not connected to
 * IO-APIC"). Not a matter of the device.
 */
const KERNEL_ARGS = ["no_timer_check"];

/** When the power goes: whichever comes first. */
export interface Moment {
  readonly writes: number;
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
  /** Desired by now. */
  apps: readonly App[] = [];
  revision = 0;

  private constructor(
    base: RootFs,
    directory: string,
    fleet: Fleet,
    disk: PowerDisk,
    machine: Machine,
    webPort: number,
    command: readonly string[],
  ) {
    this.base = base;
    this.directory = directory;
    this.fleet = fleet;
    this.disk = disk;
    this.machine = machine;
    this.webPort = webPort;
    this.command = command;
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
      ];
      await installOffline({ platform, disk: file, deb, files: { "etc/lightv/lightvd.conf": `${configuration.join("\n")}\n` } });
      const command = await commandOf(platform, deb, directory);
      const socket = join(directory, "nbd");
      const disk = await PowerDisk.open({ file, socket });
      const machine = new Machine(base, { disk: { nbd: socket }, forward: { [WEB_PORT]: webPort }, memory: 512, kernelArgs: KERNEL_ARGS });
      return new Life(base, directory, fleet, disk, machine, webPort, command);
    } catch (error) {
      for (const undo of undos.reverse()) await undo();
      throw error;
    }
  }

  /**
   * SIGKILL to QEMU, and in the same moment to the disk's cache: what of that survives, disk.cut() decides. It happens when the device has
   * made so many more writes, or when the time is over.
   */
  async freeze({ writes, ms }: Moment): Promise<void> {
    const [late, reached] = [new AbortController(), this.disk.freezeAt(writes)];
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
    };
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

  #isReached({ online, reported }: DeviceView): boolean {
    if (!online || reported === null || reported.desiredRevision !== this.revision) return false;
    if ((reported as { bootId?: string }).bootId !== this.machine.bootId) return false;
    const wanted = new Map(this.apps.map((app) => [app.name, app.image.digest]));
    return (
      reported.apps.length === wanted.size &&
      reported.apps.every((app) => app.phase === "running" && (app as { imageDigest?: string }).imageDigest === wanted.get(app.name))
    );
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
