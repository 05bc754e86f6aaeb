/**
 * The other end: a fleet controller on this machine, from dist/, that virtual devices reach as 10.0.2.2, and the operator's commands.
 *
 *     const site = new Site(base);  await site.start();
 *     const web = await site.push({ name: "web:1", cmd: ["/bin/httpd", "-f", "-p", "8080"] });
 *     await site.lightv("deploy", "device-1", "web", "--image", web.name, "--port", "8080", "--wait");
 *     await site.close();
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppReport } from "#agent/wire/protocol/reported.ts";
import { DIST, type Ran, run } from "#test/lib/command.ts";
import { Fleet } from "#test/lib/fleet.ts";
import { busyboxImageFile, type TestImage, type TestImageOptions } from "#test/lib/images.ts";
import { type DeviceView, type EventView, freePort, until } from "#test/lib/world.ts";
import type { RootFs } from "./rootfs.ts";

/** This machine as QEMU's user-mode network shows it to devices. */
export const HOST = "10.0.2.2";

export class Site {
  readonly base: RootFs;
  readonly directory: string;
  readonly controller: Fleet;
  /** The controller as devices reach it. */
  controllerUrl = "";

  constructor(base: RootFs) {
    this.base = base;
    this.directory = mkdtempSync(join(tmpdir(), "lightv-site-"));
    mkdirSync(join(this.directory, "fleet"));
    const extra: string[] = [];
    this.controller = new Fleet(join(this.directory, "fleet"), { command: [join(DIST, "bin", "lightv-fleet")], extra });
    this.#extra = extra;
  }

  readonly #extra: string[];

  async start(): Promise<void> {
    // Known before it listens: it tells devices its addresses as they see them.
    const [api, mqtt] = [await freePort(), await freePort()];
    const local = { pid: 0, api: `http://127.0.0.1:${api}`, mqtt: `mqtt://127.0.0.1:${mqtt}` };
    this.controller.endpoints = local;
    this.controllerUrl = `http://${HOST}:${api}`;
    this.#extra.push("--set", `api.public-url=${this.controllerUrl}`, "--set", `mqtt.public-url=mqtt://${HOST}:${mqtt}`);
    await this.controller.start();
    // What it says of itself is what devices see; this machine is not 10.0.2.2 to itself.
    this.controller.endpoints = { ...local, pid: this.controller.endpoints.pid };
  }

  /** An operator's `lightv fleet …`; never rejects for its exit code. */
  fleet(...args: readonly string[]): Promise<Ran> {
    const env = {
      LIGHTV_FLEET_URL: this.controller.endpoints.api,
      LIGHTV_FLEET_TOKEN: this.controller.token,
      LIGHTV_ROOT: join(this.directory, "root"),
      LIGHTV_RUNROOT: join(this.directory, "run"),
    };
    return run(join(DIST, "bin", "lightv"), ["fleet", ...args], { env, timeoutMs: 20 * 60_000 });
  }

  /** The same, and an error when it fails. Gives stdout without the last line's end. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.fleet(...args);
    if (code !== 0) throw new Error(`lightv fleet ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Makes an image for the devices' platform and pushes it. */
  async push(options: TestImageOptions): Promise<TestImage> {
    const { busybox, platform } = this.base;
    const path = join(this.directory, `${Math.random().toString(36).slice(2)}.lv`);
    const image = await busyboxImageFile(path, { architecture: platform, busybox, ...options });
    await this.controller.push(path, image.name);
    return image;
  }

  /** What the controller knows of a device; undefined while it knows nothing. */
  view(device: string): Promise<DeviceView | undefined> {
    return this.controller.api<DeviceView>("GET", `/v1/devices/${device}`).catch(() => undefined);
  }

  async app(device: string, name: string): Promise<AppReport | undefined> {
    return (await this.view(device))?.reported?.apps.find((app) => app.name === name);
  }

  /** The app's report once `match` holds for it. */
  async reported(device: string, name: string, match: (report: AppReport) => boolean, timeoutMs: number): Promise<AppReport> {
    let last: AppReport | undefined;
    const ask = async (): Promise<AppReport | undefined> => {
      last = await this.app(device, name);
      return last !== undefined && match(last) ? last : undefined;
    };
    return until(`app ${name} of ${device} in the wanted state`, ask, timeoutMs, () => JSON.stringify(last));
  }

  /** All events of a device, in the order of their arrival. */
  async events(device: string): Promise<EventView[]> {
    const all: EventView[] = [];
    for (let after = 0; ; ) {
      const page = await this.controller.api<{ events: EventView[]; next: number }>("GET", `/v1/events?device=${device}&after=${after}`);
      if (page.events.length === 0) return all;
      all.push(...page.events);
      after = page.next;
    }
  }

  async close(): Promise<void> {
    await this.controller.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
