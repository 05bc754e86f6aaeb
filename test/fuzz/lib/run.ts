/**
 * `node test/fuzz/lib/run.ts TARGET SECONDS [SEED]`: one target of test/fuzz/agent from its kept corpus, guided by the code that inputs run.
 * Ends with 1 and the input's file when one fails, or takes longer than ten seconds.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

export interface Plan {
  readonly module: string;
  readonly corpus: string;
  readonly seconds: number;
  readonly seed: number;
  /** Two numbers: inputs begun, and the last one's length. Then that input. */
  readonly shared: SharedArrayBuffer;
}

export interface Verdict {
  readonly units: number;
  /** Blocks of code that have run, and inputs that are kept for them. */
  readonly blocks: number;
  readonly corpus: number;
  readonly error?: string;
  readonly input?: Uint8Array;
}

export interface Run {
  /** A file that exports `target`. */
  readonly module: string;
  /** A directory with the inputs to begin with. */
  readonly corpus: string;
  readonly seconds: number;
  readonly seed: number;
  /** How long one input may take. */
  readonly stuckMs?: number;
}

const STUCK_MS = 10_000;
const LARGEST = 1 << 20;

/** Rejects when the target can't be loaded. */
export async function fuzz({ stuckMs = STUCK_MS, ...rest }: Run): Promise<Verdict> {
  const shared = new SharedArrayBuffer(8 + LARGEST);
  const numbers = new Int32Array(shared, 0, 2);
  const worker = new Worker(join(dirname(fileURLToPath(import.meta.url)), "worker.ts"), { workerData: { ...rest, shared } satisfies Plan });
  let [last, since] = [0, performance.now()];
  const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
  const timer = setInterval(() => {
    const units = Atomics.load(numbers, 0);
    if (units !== last) [last, since] = [units, performance.now()];
    else if (units > 0 && performance.now() - since > stuckMs)
      resolve({
        units,
        blocks: 0,
        corpus: 0,
        error: `it takes longer than ${stuckMs / 1000} s`,
        input: Buffer.from(shared, 8, numbers[1]),
      });
  }, 200);
  worker.once("message", resolve).once("error", reject);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    await worker.terminate();
  }
}

async function main([target = "", seconds = "60", seed = String(Date.now() % 2 ** 32)]: readonly string[]): Promise<number> {
  const top = join(dirname(fileURLToPath(import.meta.url)), "..");
  const place = { module: join(top, "agent", `${target}.ts`), corpus: join(top, "corpus", target) };
  const { units, blocks, corpus, error, input } = await fuzz({ ...place, seconds: Number(seconds), seed: Number(seed) });
  console.log(`stat::number_of_executed_units: ${units}`);
  console.log(`seed ${seed}, ${blocks} blocks of code, ${corpus} inputs kept`);
  if (error === undefined) return 0;
  const file = join(mkdtempSync(join(tmpdir(), `lightv-fuzz-${target}-`)), "input");
  writeFileSync(file, input ?? "");
  console.log(`${error}\nthe input: ${file}`);
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
