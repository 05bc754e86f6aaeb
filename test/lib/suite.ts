/**
 * uvu with its traps closed: suites run by themselves, hooks that throw fail a test, each test has a time limit and can say why it is
 * skipped, `.only` is refused in CI, and the runner (test/run.ts) compares what was registered with what was executed.
 *
 *     const test = suite("agent/lib/backoff");
 *     test("doubles until the longest delay", () => { ... });
 *     test("mounts over a loop device", async (t) => { if (!root) t.skip("needs root"); ... }, { timeoutMs: 60_000 });
 */
import { suite as uvuSuite } from "uvu";
import { MARK } from "./marks.ts";
import { PATIENCE } from "./patience.ts";

export interface TestContext {
  /** Aborts when the test's time is over: pass it on, so that nothing is left running. */
  readonly signal: AbortSignal;
  /** Ends the test as skipped; the reason is printed. */
  skip(reason: string): never;
  /** Runs after the test, in reverse order, also when it fails. */
  cleanup(undo: () => unknown): void;
}

export type TestBody = (t: TestContext) => unknown;
export interface TestOptions {
  readonly timeoutMs?: number;
}

export interface Suite {
  (name: string, body: TestBody, options?: TestOptions): void;
  only(name: string, body: TestBody, options?: TestOptions): void;
  skip(name: string, reason: string): void;
  before(hook: () => unknown): void;
  after(hook: () => unknown): void;
}

class Skipped extends Error {}

const DEFAULT_TIMEOUT_MS = 30_000;

function mark(kind: "registered" | "executed" | "skipped", text: string): void {
  process.stdout.write(`${MARK}${kind} ${JSON.stringify(text)}\n`);
}

export function suite(name: string): Suite {
  const inner = uvuSuite(name);
  const befores: (() => unknown)[] = [];
  const afters: (() => unknown)[] = [];
  let prepared: Promise<void> | undefined;
  const prepare = (): Promise<void> => {
    prepared ??= (async () => {
      for (const hook of befores) await hook();
    })();
    return prepared;
  };

  const wrap = (title: string, body: TestBody, options: TestOptions = {}) => {
    mark("registered", `${name}: ${title}`);
    return async () => {
      mark("executed", `${name}: ${title}`);
      await prepare();
      await runOne(`${name}: ${title}`, body, (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) * PATIENCE);
    };
  };

  const test = ((title, body, options) => {
    inner(title, wrap(title, body, options));
  }) as Suite;
  test.only = (title, body, options) => {
    if (process.env.CI !== undefined) throw new Error(`${name}: "${title}" is marked only`);
    inner.only(title, wrap(title, body, options));
  };
  test.skip = (title, reason) => {
    test(title, (t) => t.skip(reason));
  };
  test.before = (hook) => {
    befores.push(hook);
  };
  test.after = (hook) => {
    afters.push(hook);
  };

  // After this module's own code: all tests are registered by then. The last "test" runs the after hooks, so that a hook that throws is seen.
  queueMicrotask(() => {
    inner("leaves nothing behind", async () => {
      if (prepared !== undefined) for (const hook of afters.reverse()) await hook();
    });
    inner.run();
  });
  return test;
}

async function runOne(title: string, body: TestBody, timeoutMs: number): Promise<void> {
  const controller = new AbortController();
  const undos: (() => unknown)[] = [];
  const context: TestContext = {
    signal: controller.signal,
    skip(reason) {
      throw new Skipped(reason);
    },
    cleanup(undo) {
      undos.push(undo);
    },
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort(new Error("the test's time is over"));
      reject(new Error(`not done after ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    await Promise.race([Promise.resolve().then(() => body(context)), late]);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    mark("skipped", `${title}: ${error.message}`);
  } finally {
    clearTimeout(timer);
    controller.abort();
    for (const undo of undos.reverse()) await undo();
  }
}
