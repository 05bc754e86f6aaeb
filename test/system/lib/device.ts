/**
 * A device of a fleet: a virtual machine with the package installed, enrolled at a controller on this machine. Scenarios drive it as an
 * operator does (`site`), and only look into it by the machine's own channel.
 *
 *     const device = await Device.enrolled(site, "device-1", { memory: 256 });
 *     await device.deploy("web", image, "--port", "8080");
 *     await device.machine.cut();  await device.machine.start();  await device.online();
 *     await device.close();
 */
import { until } from "#test/lib/world.ts";
import { Machine } from "./machine.ts";
import { installedDisk } from "./packages.ts";
import type { MachineOptions } from "./qemu-args.ts";
import type { Site } from "./site.ts";

export interface DeviceOptions extends MachineOptions {
  /** More lines of lightvd.conf. */
  readonly agent?: readonly string[];
}

export class Device {
  readonly site: Site;
  readonly name: string;
  readonly machine: Machine;

  constructor(site: Site, name: string, machine: Machine) {
    this.site = site;
    this.name = name;
    this.machine = machine;
  }

  /** Boots a new device with the package, enrols it and waits until the controller sees it. */
  static async enrolled(site: Site, name: string, options: DeviceOptions = {}, say: (line: string) => void = () => {}): Promise<Device> {
    const { agent = [], ...machine } = options;
    const disk = machine.disk ?? { overlayOf: await installedDisk(site.base, say) };
    const device = new Device(site, name, new Machine(site.base, { ...machine, disk }));
    try {
      await device.machine.start();
      await device.enrol(agent);
    } catch (error) {
      await device.machine.close();
      throw error;
    }
    return device;
  }

  /** How long something may take that takes `seconds` on a processor of its own, in ms. */
  within(seconds: number): number {
    return seconds * 1000 * this.machine.patience;
  }

  /** What whoever sets a device up does: where the controller is, a token, and a start of the agent. */
  async enrol(agent: readonly string[] = []): Promise<void> {
    const lines = [
      `controller-url = ${this.site.controllerUrl}`,
      `enroll-token = ${await this.site.controller.enrolmentToken()}`,
      `device = ${this.name}`,
      "reconnect-max = 5",
      ...(agent.length > 0 ? agent : ["heartbeat = 2"]),
    ];
    await this.machine.ok(`cat >>/etc/lightv/lightvd.conf <<'END'\n${lines.join("\n")}\nEND\nsystemctl restart lightvd.service`);
    await this.online();
  }

  /** Resolves when the controller has a connection of it that it did not have before `since` (a session number), if that is given. */
  async online(timeoutMs = this.within(60)): Promise<void> {
    const ask = async (): Promise<true | undefined> => ((await this.site.view(this.name))?.online === true ? true : undefined);
    await until(`${this.name} to be online`, ask, timeoutMs).catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${await this.log()}`);
    });
  }

  async offline(timeoutMs = this.within(120)): Promise<void> {
    const ask = async (): Promise<true | undefined> => ((await this.site.view(this.name))?.online === false ? true : undefined);
    await until(`${this.name} to be offline`, ask, timeoutMs);
  }

  /** `lightv fleet deploy DEVICE APP --image … --wait` */
  async deploy(app: string, image: string, ...flags: readonly string[]): Promise<void> {
    const seconds = `${Math.ceil(this.within(60) / 1000)}s`;
    await this.site
      .ok("deploy", this.name, app, "--image", image, "--wait", "--timeout", seconds, ...flags)
      .catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${await this.log()}`);
      });
  }

  /** The pid, in the device, of an app's first process; 0 when it does not run. */
  async pid(app: string): Promise<number> {
    const { stdout } = await this.machine.run(`lightv inspect --format '{{.State.Pid}}' $(lightv ps -q --filter name=${app} | head -1)`);
    return Number(stdout.trim() || 0);
  }

  /** Units, addresses, and the agent's last lines of this boot: what to look at when something did not come. */
  async log(lines = 12): Promise<string> {
    const units =
      "systemctl status --no-pager -n 0 lightvd lightv-runtime; systemctl list-jobs --no-legend; systemctl --failed --no-legend";
    const { stdout } = await this.machine
      .run(
        `${units}; ip -brief address; networkctl --no-pager --no-legend; journalctl -b --no-pager -n ${lines} -u lightvd -u lightv-runtime`,
      )
      .catch((error: unknown) => ({ stdout: String(error) }));
    return stdout;
  }

  async close(): Promise<void> {
    await this.machine.close();
  }
}
