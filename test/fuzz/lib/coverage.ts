/** Which code has run, as V8 counts it itself (inspector, Profiler.takePreciseCoverage): what has not run before is new. */
import { Session } from "node:inspector";

interface Counted {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[] }[];
  }[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #covers: readonly string[];
  readonly #seen = new Set<string>();

  constructor(covers: readonly string[]) {
    this.#covers = covers;
  }

  start(): void {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  stop(): void {
    this.#session.disconnect();
  }

  get size(): number {
    return this.#seen.size;
  }

  /** The blocks that have run since the last look and never before it. */
  fresh(): ReadonlySet<string> {
    const fresh = new Set([...this.#look()].filter((block) => !this.#seen.has(block)));
    for (const block of fresh) this.#seen.add(block);
    return fresh;
  }

  /** Whether one of these has run since the last look: V8 tells of a block only when it ran less often than what is around it. */
  hasRun(blocks: ReadonlySet<string>): boolean {
    return [...this.#look()].some((block) => blocks.has(block));
  }

  /** The answer comes at once: the session is this thread's own. */
  #look(): Set<string> {
    const run = new Set<string>();
    this.#session.post("Profiler.takePreciseCoverage", (_error, counted) => {
      for (const { url, functions } of (counted as unknown as Counted).result) {
        if (!this.#covers.some((folder) => url.includes(folder))) continue;
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) if (count > 0) run.add(`${url}:${startOffset}:${endOffset}`);
      }
    });
    return run;
  }
}
