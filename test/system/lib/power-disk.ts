/**
 * A disk with a volatile write cache that a virtual device boots from over NBD, and whose power can be cut: see docs/power-cuts.md for what
 * is modelled. `drive` is what qemu is to be given.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CutMode } from "./power-disk/log.ts";
import type { Order } from "./power-disk/main.ts";
import type { CutReport, DiskStats } from "./power-disk/store.ts";

export interface PowerDiskOptions {
  /** A raw image; what is durable is written into it, so give a copy. */
  readonly file: string;
  readonly socket: string;
  readonly cacheBytes?: number;
  readonly flushMs?: number;
  readonly seed?: number;
}

/** Of a cheap eMMC or SSD: so much may be lost at most. */
const CACHE_BYTES = 32 * 1024 * 1024;
const FLUSH_MS = 4;

export class PowerDisk {
  readonly #child: ChildProcess;
  readonly #options: PowerDiskOptions;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #orders = 0;

  private constructor(child: ChildProcess, options: PowerDiskOptions) {
    this.#child = child;
    this.#options = options;
    child.on("message", ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const order = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) order?.resolve(result);
      else order?.reject(new Error(error));
    });
    child.on("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the disk's process ended (${code ?? signal})`));
      this.#waiting.clear();
    });
  }

  static async open(options: PowerDiskOptions): Promise<PowerDisk> {
    const main = fileURLToPath(new URL("power-disk/main.ts", import.meta.url));
    const child = fork(main, [], { execArgv: ["--disable-warning=ExperimentalWarning"], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const disk = new PowerDisk(child, options);
    const { file, socket, cacheBytes = CACHE_BYTES, flushMs = FLUSH_MS, seed = 1 } = options;
    await disk.#ask({ do: "open", options: { file, cacheBytes, flushMs, seed }, socket }).catch((error: unknown) => {
      child.kill("SIGKILL");
      throw error;
    });
    return disk;
  }

  /** cache=writeback hands the guest's flushes on as flushes, and keeps nothing itself (qemu-system(1), -drive). */
  get drive(): string {
    return `file=nbd+unix:///?socket=${this.#options.socket},format=raw,cache=writeback,if=virtio,discard=unmap`;
  }

  /** The file holds what is durable: exactly so between a cut and the next connection. */
  get file(): string {
    return this.#options.file;
  }

  cut(seed: number, mode: CutMode = "random"): Promise<CutReport> {
    return this.#ask({ do: "cut", seed, mode }) as Promise<CutReport>;
  }

  /** The power goes, and nothing is decided: `file` is what is durable, outcome() shows what a cut might leave, cut() must follow. */
  async freeze(): Promise<void> {
    await this.#ask({ do: "freeze" });
  }

  /**
   * freeze() in the moment in which the device has made so many more writes, and at least `unflushed` are at stake. Resolves then, or when
   * something else ends the wait.
   */
  async freezeAt(writes: number, unflushed = 0): Promise<void> {
    await this.#ask({ do: "freeze-at", writes, unflushed });
  }

  /** Writes what a cut with this seed would leave into `copy`, a copy of `file` made after freeze(). */
  outcome(seed: number, copy: string, mode: CutMode = "random"): Promise<CutReport> {
    return this.#ask({ do: "outcome", seed, mode, copy }) as Promise<CutReport>;
  }

  async setFlushTime(ms: number): Promise<void> {
    await this.#ask({ do: "flush-time", ms });
  }

  stats(): Promise<DiskStats> {
    return this.#ask({ do: "stats" }) as Promise<DiskStats>;
  }

  /** Everything in the cache becomes durable, and the process ends. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await this.#ask({ do: "close" });
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  #ask(order: Order): Promise<unknown> {
    const id = this.#orders++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#child.send({ id, order }, (error) => {
      if (error !== null) reject(error);
    });
    return promise;
  }
}
