/**
 * A virtual device: Debian's kernel and systemd under QEMU, on a root disk of its own.
 *
 *     const machine = new Machine(await rootFs("amd64"), { memory: 256 });
 *     await machine.start();                           // resolves when it answers commands
 *     await machine.ok("systemctl is-system-running --wait");
 *     await machine.link(false);                       // the cable
 *     await machine.cut();                             // power off, as it is: SIGKILL
 *     await machine.start();                           // on the same disk again
 *     await machine.close();                           // power off, and its files are removed
 *
 * QEMU dies with the process that made it, however that ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { cp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Ran, run } from "#test/lib/command.ts";
import { type Accelerator, accelerator, qemuOf } from "./accelerator.ts";
import { Channel } from "./channel.ts";
import { type MachineOptions, qemuArgs } from "./qemu-args.ts";
import { Qmp } from "./qmp.ts";
import type { RootFs } from "./rootfs.ts";

/** Where the host's directory `share` is in the device, once something was pushed or pulled. */
export const SHARE = "/run/share";
const STOP_TIMEOUT_MS = 120_000;

export class Machine {
  readonly base: RootFs;
  readonly options: MachineOptions;
  /** Sockets, console.log, the overlay and the shared directory. */
  readonly directory: string;
  #accelerator: Accelerator | undefined;
  #child: ChildProcess | undefined;
  #qmp: Qmp | undefined;
  #channel: Channel | undefined;
  #stderr = "";
  /** What the last start was given beyond the machine's own options. */
  #more: MachineOptions = {};

  constructor(base: RootFs, options: MachineOptions = {}) {
    this.base = base;
    this.options = options;
    this.directory = mkdtempSync(join(tmpdir(), "lightv-machine-"));
    mkdirSync(join(this.directory, "share"));
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** QEMU; throws when it was never started. */
  get process(): ChildProcess {
    return this.#open(this.#child);
  }

  /** "kvm" or "tcg"; known once it has started. */
  get acceleration(): string {
    return this.#accelerator?.kind ?? "";
  }

  /** How much longer than on a processor of its own things may take: for time limits. */
  get patience(): number {
    return this.acceleration === "kvm" ? 1 : 6;
  }

  /** What the serial console showed, over all boots. */
  get consoleText(): string {
    const file = join(this.directory, "console.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Switches it on, and resolves when it answers commands (`wait: false`: when QEMU runs). `more` holds for this start alone. */
  async start(more: MachineOptions & { wait?: boolean } = {}): Promise<void> {
    if (this.running) throw new Error("the virtual device is on already");
    const { wait = true, ...own } = more;
    this.#more = own;
    const options = { ...this.options, ...own };
    const platform = this.base.platform;
    this.#accelerator ??= await accelerator(this.base, wantedAccelerator());
    const at = {
      qmp: join(this.directory, "qmp"),
      channel: join(this.directory, "channel"),
      consoleLog: join(this.directory, "console.log"),
      share: join(this.directory, "share"),
      overlay: await this.#overlay(options),
    };
    for (const socket of [at.qmp, at.channel]) await rm(socket, { force: true });
    const command = ["--pdeathsig", "KILL", qemuOf(platform), ...qemuArgs(this.base, this.#accelerator, options, at)];
    const child = spawn("setpriv", command, { stdio: options.console === "stdio" ? "inherit" : ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-10_000);
    });
    // QEMU makes both sockets before it says a word, and connects them while the device's processor still waits for nothing.
    this.#qmp = await this.#connect(() => Qmp.open(at.qmp));
    // Long before the device's kernel looks at it.
    if (options.link === false) await this.link(false);
    this.#channel = await this.#connect(() => Channel.open(at.channel));
    if (wait) await this.booted();
  }

  /** Resolves when the device answers commands, in another boot than `before` when that is given; gives the boot's id. */
  async booted(before?: string, timeoutMs = 60_000 * this.patience): Promise<string> {
    return this.#open(this.#channel)
      .booted(timeoutMs, before)
      .catch((error: Error) => {
        throw new Error(`${error.message}\n${this.#stderr}\n${this.consoleText.slice(-4000)}`);
      });
  }

  /** The boot id as the device last told it. */
  get bootId(): string | undefined {
    return this.#channel?.bootId;
  }

  /** Runs a shell script as root; never rejects for its exit code (124: its time was over). Limit: 60 s times patience. */
  run(script: string, options: { timeoutMs?: number } = {}): Promise<Ran> {
    return this.#open(this.#channel).run(script, options.timeoutMs ?? 60_000 * this.patience);
  }

  /** The same, and an error when it fails. Gives stdout without the last line's end. */
  async ok(script: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, options);
    if (code !== 0) throw new Error(`in the device: ${script}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** Copies a file or directory of the host into the device: `to` is its new path there. Needs no network. */
  async push(file: string, to: string): Promise<void> {
    const name = `${Math.random().toString(36).slice(2)}-${basename(file)}`;
    const between = join(this.directory, "share", name);
    await cp(file, between, { recursive: true });
    try {
      await this.#share();
      await this.ok(`mkdir -p "$(dirname '${to}')" && cp -a '${SHARE}/${name}' '${to}' && chown -R root:root '${to}'`, {
        timeoutMs: 300_000,
      });
    } finally {
      await rm(between, { recursive: true, force: true });
    }
  }

  /** A file of the device. */
  async pull(file: string): Promise<Buffer> {
    const name = Math.random().toString(36).slice(2);
    const between = join(this.directory, "share", name);
    await this.#share();
    await this.ok(`cp '${file}' '${SHARE}/${name}'`, { timeoutMs: 300_000 });
    const bytes = await readFile(between);
    await rm(between);
    return bytes;
  }

  /** Puts the network cable in or out. */
  async link(up: boolean): Promise<void> {
    await this.qmp("set_link", { name: "net0", up });
  }

  /** Any command of QEMU's machine protocol. */
  qmp(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return this.#open(this.#qmp).command(command, args);
  }

  /** An orderly restart by the device's own system manager; resolves when it answers again. */
  async reboot(): Promise<void> {
    await this.run("systemctl reboot --no-block").catch(() => undefined);
    await this.restarted();
  }

  /**
   * The device has been told to restart; resolves when it answers again. QEMU ends when the device resets itself, and another one goes on
   * with the same disk: emulated processors were seen to stand still after a reset.
   */
  async restarted(timeoutMs = 240_000 * this.patience): Promise<void> {
    await this.#ended(timeoutMs);
    this.#disconnect();
    await this.start(this.#more);
    await this.booted();
  }

  /** The reset button: what is in memory is lost, what QEMU has written is not. */
  async reset(): Promise<void> {
    await this.cut();
    await this.start(this.#more);
    await this.booted();
  }

  /** An orderly end by the device's own system manager; SIGKILL when it takes more than two minutes (times patience). */
  async stop(): Promise<void> {
    if (!this.running) return this.#disconnect();
    void this.run("systemctl poweroff --no-block").catch(() => undefined);
    await this.#ended(STOP_TIMEOUT_MS * this.patience).catch(async (error: unknown) => {
      await this.cut();
      throw error;
    });
    this.#disconnect();
  }

  /** The power goes: SIGKILL. What the device has written and not flushed is lost if the disk's server loses it. */
  async cut(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended(30_000);
    this.#disconnect();
  }

  /** Cuts the power and removes its files; LIGHTV_SYSTEM_KEEP=1 leaves them, to be looked at. */
  async close(): Promise<void> {
    await this.cut();
    if (process.env.LIGHTV_SYSTEM_KEEP === "1") return console.error(`kept: ${this.directory}`);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #overlay(options: MachineOptions): Promise<string | undefined> {
    const disk = options.disk ?? { overlayOf: this.base.disk };
    if ("nbd" in disk) return undefined;
    if ("file" in disk) return disk.file;
    const overlay = join(this.directory, "overlay.qcow2");
    if (!existsSync(overlay)) await makeOverlay(disk.overlayOf, overlay);
    return overlay;
  }

  async #share(): Promise<void> {
    const options = "trans=virtio,version=9p2000.L,msize=512000";
    await this.ok(`mountpoint -q ${SHARE} || { mkdir -p ${SHARE} && mount -t 9p -o ${options} share ${SHARE}; }`);
  }

  async #connect<T>(open: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await open();
      } catch (error) {
        if (!this.running || tries === 200) throw new Error(`QEMU did not start: ${this.#stderr}${String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  #open<T>(part: T | undefined): T {
    if (part === undefined) throw new Error("the virtual device is off");
    return part;
  }

  async #ended(timeoutMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`the device was still on after ${timeoutMs / 1000} s\n${this.consoleText.slice(-4000)}`)),
      timeoutMs,
    );
    child.once("exit", () => resolve());
    await promise.finally(() => clearTimeout(timer));
  }

  #disconnect(): void {
    this.#qmp?.close();
    this.#channel?.close();
    this.#qmp = undefined;
    this.#channel = undefined;
  }
}

/** A new qcow2 disk at `path` that shows what `base` (raw, or qcow2 by its name) has, and keeps what is written to it. */
export async function makeOverlay(base: string, path: string): Promise<void> {
  const format = base.endsWith(".qcow2") ? "qcow2" : "raw";
  const { code, stderr } = await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", format, "-b", base, path]);
  if (code !== 0) throw new Error(`qemu-img create ${path}: ${stderr}`);
}

/** LIGHTV_SYSTEM_ACCEL=kvm|tcg overrides what is found out. */
function wantedAccelerator(): "kvm" | "tcg" | undefined {
  const wanted = process.env.LIGHTV_SYSTEM_ACCEL;
  return wanted === "kvm" || wanted === "tcg" ? wanted : undefined;
}
