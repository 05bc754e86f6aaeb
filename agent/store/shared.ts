/** Work that several callers want at once is done once; it is given up only when all of them have gone. */
export type Work<P, T> = (signal: AbortSignal, onProgress: (progress: P) => void) => Promise<T>;

interface Running<P, T> {
  readonly controller: AbortController;
  readonly listeners: Set<(progress: P) => void>;
  readonly done: Promise<T>;
  waiting: number;
}

export class Shared<P, T> {
  readonly #running = new Map<string, Running<P, T>>();

  keys(): IterableIterator<string> {
    return this.#running.keys();
  }

  /** Joins the work of this key, or begins it. Rejects with the signal's reason when that aborts. */
  async join(key: string, work: Work<P, T>, signal: AbortSignal, onProgress?: (progress: P) => void): Promise<T> {
    signal.throwIfAborted();
    // Given up by all but not ended yet: two must never write to the same files.
    for (let old = this.#running.get(key); old?.controller.signal.aborted === true; old = this.#running.get(key))
      await old.done.catch(() => {});
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#begin(key, work);
    running.waiting++;
    if (onProgress !== undefined) running.listeners.add(onProgress);
    const { promise: left, reject: leave } = Promise.withResolvers<never>();
    const onAbort = (): void => leave(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([running.done, left]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (onProgress !== undefined) running.listeners.delete(onProgress);
      running.waiting--;
      if (running.waiting === 0) running.controller.abort(signal.reason);
      // Who has left must find nothing open when he goes on to remove the directory.
      if (signal.aborted && running.waiting === 0) await running.done.catch(() => {});
    }
  }

  #begin(key: string, work: Work<P, T>): Running<P, T> {
    const controller = new AbortController();
    const listeners = new Set<(progress: P) => void>();
    const tell = (progress: P): void => {
      for (const listener of listeners) listener(progress);
    };
    const done = work(controller.signal, tell).finally(() => this.#running.delete(key));
    done.catch(() => {});
    const running: Running<P, T> = { controller, listeners, done, waiting: 0 };
    this.#running.set(key, running);
    return running;
  }

  /** Gives everything up, and waits until it has ended. */
  async stop(reason: unknown): Promise<void> {
    const all = [...this.#running.values()];
    for (const { controller } of all) controller.abort(reason);
    await Promise.allSettled(all.map(({ done }) => done));
  }
}
