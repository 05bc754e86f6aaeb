/** The thread that tries inputs; what it tries lies in memory that the other one sees, should it never come back (run.ts). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { Coverage } from "./coverage.ts";
import { chanceOf, mutate } from "./mutate.ts";
import type { Plan, Verdict } from "./run.ts";
import type { FuzzTarget } from "./target.ts";

const plan = workerData as Plan;
const [count, length] = [0, 1];
const numbers = new Int32Array(plan.shared, 0, 2);
const current = Buffer.from(plan.shared, 8);
/** So many inputs are run between two looks at what they have run: a look costs more than most runs. */
const LOOK_EVERY = 16;

interface Child {
  readonly parent: Buffer;
  readonly input: Buffer;
}

async function attempt(target: FuzzTarget, input: Buffer): Promise<Error | undefined> {
  current.set(input);
  numbers[length] = input.length;
  Atomics.add(numbers, count, 1);
  try {
    await target.run(input);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function fuzz(): Promise<Verdict> {
  const { target } = (await import(plan.module)) as { target: FuzzTarget };
  const coverage = new Coverage(target.covers);
  coverage.start();
  const corpus: Buffer[] = readdirSync(plan.corpus)
    .sort()
    .map((name) => readFileSync(join(plan.corpus, name)));
  const verdict = (failure?: Pick<Verdict, "error" | "input">): Verdict => {
    return { units: numbers[count] ?? 0, blocks: coverage.size, corpus: corpus.length, ...failure };
  };
  const first = await attemptAll(target, corpus);
  if (first !== undefined) return verdict(first);
  coverage.fresh();
  const chance = chanceOf(plan.seed);
  const next = (): Child => {
    const parent = corpus[chance(corpus.length)] ?? Buffer.alloc(0);
    return { parent, input: mutate(parent, corpus, target.words, target.maxBytes, chance) };
  };
  const end = performance.now() + plan.seconds * 1000;
  while (performance.now() < end) {
    const batch = Array.from({ length: LOOK_EVERY }, next);
    const failure = await attemptAll(
      target,
      batch.map(({ input }) => input),
    );
    if (failure !== undefined) return verdict(failure);
    const fresh = coverage.fresh();
    if (fresh.size > 0) corpus.push(...(await thoseThatRun(fresh, batch, target, coverage)));
  }
  coverage.stop();
  return verdict();
}

async function attemptAll(target: FuzzTarget, inputs: readonly Buffer[]): Promise<Pick<Verdict, "error" | "input"> | undefined> {
  for (const input of inputs) {
    const error = await attempt(target, input);
    if (error !== undefined) return { error: error.stack ?? error.message, input };
  }
  return undefined;
}

/** Each after its parent, which does not run them. */
async function thoseThatRun(
  blocks: ReadonlySet<string>,
  batch: readonly Child[],
  target: FuzzTarget,
  coverage: Coverage,
): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const { parent, input } of batch) {
    await attempt(target, parent);
    await attempt(target, input);
    if (coverage.hasRun(blocks)) found.push(input);
  }
  return found;
}

parentPort?.postMessage(await fuzz());
