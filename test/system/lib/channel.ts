/**
 * Commands inside a virtual device, over a virtio serial port: for looking, and for what must work while network, disk or half the boot
 * do not. The other end is test/system/guest/after/usr/local/sbin/test-channel.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Ran } from "#test/lib/command.ts";

interface Request {
  readonly done: (ran: Ran) => void;
  readonly fail: (error: Error) => void;
}

/** How much later than the device's own limit an answer is given up, in seconds: an emulated machine is slow to say so. */
const GRACE_SECONDS = 20;

export class Channel {
  readonly #socket: Socket;
  readonly #requests = new Map<string, Request>();
  readonly #watchers = new Set<() => void>();
  #next = 0;
  #boot: string | undefined;
  #gone: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#take(line));
    const gone = (): void => {
      this.#gone ??= new Error("the virtual machine is gone");
      this.#forget(this.#gone);
      for (const watcher of this.#watchers) watcher();
    };
    socket.on("error", gone).on("close", gone);
  }

  static async open(path: string): Promise<Channel> {
    const socket = connect(path);
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new Channel(socket);
  }

  /** The boot id of the device as it runs now; undefined before it has ever answered. */
  get bootId(): string | undefined {
    return this.#boot;
  }

  /** Resolves with the boot id when the device listens in another boot than `before`. */
  async booted(timeoutMs: number, before?: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const watch = (): void => {
      if (this.#gone !== undefined || (this.#boot !== undefined && this.#boot !== before)) resolve();
    };
    this.#watchers.add(watch);
    watch();
    await promise;
    clearTimeout(timer);
    this.#watchers.delete(watch);
    if (this.#gone !== undefined) throw this.#gone;
    if (this.#boot === undefined || this.#boot === before) throw new Error(`the device did not come up in ${timeoutMs / 1000} s`);
    return this.#boot;
  }

  /**
   * Runs a shell script as root and gives what it wrote; never rejects for its exit code (124: its time was over).
   * Rejects when the device restarts meanwhile, or gives no answer.
   */
  run(script: string, timeoutMs = 60_000): Promise<Ran> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
    const id = String(++this.#next);
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer);
        this.#requests.delete(id);
        reject(error);
      };
      const late = (): void => fail(new Error(`no answer from the device in ${seconds + GRACE_SECONDS} s: ${script.slice(0, 200)}`));
      const timer = setTimeout(late, (seconds + GRACE_SECONDS) * 1000);
      const done = (ran: Ran): void => {
        clearTimeout(timer);
        resolve(ran);
      };
      this.#requests.set(id, { done, fail });
      this.#socket.write(`${id} ${seconds} ${Buffer.from(script).toString("base64")}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #forget(why: Error): void {
    for (const request of [...this.#requests.values()]) request.fail(why);
  }

  #take(line: string): void {
    // A reset may have left the head of another line before this one.
    const hello = /hello ([0-9a-f-]{36})$/.exec(line)?.[1];
    if (hello !== undefined) {
      if (this.#boot !== undefined && this.#boot !== hello) this.#forget(new Error("the device restarted"));
      this.#boot = hello;
      for (const watcher of [...this.#watchers]) watcher();
      return;
    }
    const [, id = "", code = "", out = "", err = ""] = /(\d+) (\d+) ([A-Za-z0-9+/=]*) ([A-Za-z0-9+/=]*)$/.exec(line) ?? [];
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    request?.done({ code: Number(code), stdout: text(out), stderr: text(err) });
  }
}

const text = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");
