/** QEMU's machine protocol: one JSON object a line, commands answered in order, events between them. */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

type Answer = { readonly return?: unknown; readonly error?: { readonly desc: string }; readonly event?: string };

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  readonly #events = new Set<(name: string) => void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#take(JSON.parse(line) as Answer));
    const fail = (): void => {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error("the virtual machine is gone"));
    };
    socket.on("error", fail).on("close", fail);
  }

  /** Connects to the Unix socket and leaves negotiation mode. */
  static async open(path: string): Promise<Qmp> {
    const socket = connect(path);
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const qmp = new Qmp(socket);
    await qmp.command("qmp_capabilities");
    return qmp;
  }

  command(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ resolve, reject });
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    return promise;
  }

  /** Resolves at the next event of that name (RESET, SHUTDOWN, POWERDOWN ...). */
  event(name: string): Promise<void> {
    return new Promise((resolve) => {
      const listener = (got: string): void => {
        if (got !== name) return;
        this.#events.delete(listener);
        resolve();
      };
      this.#events.add(listener);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(answer: Answer): void {
    if (answer.event !== undefined) for (const listener of [...this.#events]) listener(answer.event);
    if (answer.return === undefined && answer.error === undefined) return;
    const waiting = this.#waiting.shift();
    if (answer.error === undefined) waiting?.resolve(answer.return);
    else waiting?.reject(new Error(`qmp: ${answer.error.desc}`));
  }
}
