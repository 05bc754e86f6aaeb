/**
 * `npm run bench`: LightV beside the peers that are installed, in one run, as ratios (docs/benchmarks.md). It installs nothing; what is
 * missing is said with how to get it. Ctrl-C cleans up.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Arena, HOW_TO_INSTALL } from "./arena/arena.ts";
import { Commands } from "./arena/commands.ts";
import { Undo } from "./arena/undo.ts";
import { machine } from "./machine.ts";
import { changes } from "./measure/counters.ts";
import { table } from "./measure/table.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import type { Machine, Part, PartResult } from "./part.ts";
import { agent } from "./parts/agent.ts";
import { atOnce } from "./parts/at-once.ts";
import { churn } from "./parts/churn.ts";
import { density } from "./parts/density.ts";
import { firstByte } from "./parts/first-byte.ts";
import { overhead } from "./parts/overhead.ts";
import { smallAgent } from "./parts/small-agent.ts";
import { start } from "./parts/start.ts";
import { sustained } from "./parts/sustained.ts";
import { Progress } from "./report/progress.ts";
import { writeDocuments } from "./report/store.ts";

const PARTS: readonly Part[] = [start, firstByte, atOnce, sustained, churn, density, overhead, agent, smallAgent];
const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const names = PARTS.map(({ name }) => name);

function help(): string {
  const parts = PARTS.map(({ name, title, long }) => `  ${name.padEnd(12)} ${title}${long === true ? " (long)" : ""}`);
  const peers = Object.entries(HOW_TO_INSTALL).map(([name, how]) => `  ${name.padEnd(12)} ${how}`);
  return `${USAGE}\n\nParts:\n${parts.join("\n")}\n\nPeers, each left out where it is missing:\n${peers.join("\n")}`;
}

function chosen({ only, long, quick }: Options): Part[] {
  if (only.length > 0) return PARTS.filter(({ name }) => only.includes(name));
  return PARTS.filter((part) => part.long !== true || (long && !quick));
}

function show({ tables, notes = [], seconds }: PartResult): void {
  for (const { rows } of tables) console.log(`\n${table(rows)}`);
  for (const note of notes) console.log(`- ${note}`);
  console.log(`  (${seconds.toFixed(0)} s)`);
}

async function runPart(
  part: Part,
  arena: Arena,
  options: Options,
  on: Machine,
  signal: AbortSignal,
  progress: Progress,
): Promise<PartResult> {
  console.log(`\n== ${part.title} (${part.name})`);
  const began = performance.now();
  const pool = await arena.poolStatus();
  const measured = await part.run({ arena, quick: options.quick, signal, say: (text) => progress.say(text) });
  progress.clear();
  const poolAfter = await arena.poolStatus();
  if (pool !== undefined && poolAfter === undefined) throw new Error("lightv runtime ended meanwhile, so what was called hot was not");
  const moved = changes(pool, poolAfter) ?? "nothing: what is called hot may have been cold";
  const said = arena.complaints().map((line) => `said meanwhile: ${line}`);
  const hot = poolAfter === undefined ? [] : [`lightv runtime status, what changed: ${moved}`];
  const notes = [...(measured.notes ?? []), ...said, ...hot];
  const seconds = (performance.now() - began) / 1000;
  const { name, title } = part;
  const result = { name, title, at: new Date().toISOString(), quick: options.quick, seconds, machine: on, ...measured, notes };
  show(result);
  return result;
}

function write({ write: where }: Options, results: readonly PartResult[]): void {
  if (where === "nowhere") return;
  const docs = where === "docs" ? join(top, "docs") : where.directory;
  mkdirSync(docs, { recursive: true });
  writeDocuments(docs, results, names);
  console.log(`\nwritten: ${join(docs, "benchmarks.md")}`);
}

/** Gives the exit code: 1 when a part failed or something was left, 130 when it was ended. */
async function bench(options: Options, ended: AbortController): Promise<number> {
  const { signal } = ended;
  const undo = new Undo();
  const progress = new Progress(process.stderr.isTTY === true, (text) => process.stderr.write(text));
  const results: PartResult[] = [];
  const began = performance.now();
  let code = 0;
  try {
    const arena = new Arena(top, new Commands(signal, process.env), undo);
    progress.say("building the bench's programs");
    await arena.start();
    const on = await machine(arena);
    for (const part of chosen(options)) {
      signal.throwIfAborted();
      try {
        results.push(await runPart(part, arena, options, on, signal, progress));
      } catch (error) {
        progress.clear();
        if (signal.aborted) throw error;
        console.error(`${part.name} failed: ${error instanceof Error ? error.message : String(error)}`);
        code = 1;
      }
    }
  } catch (error) {
    progress.clear();
    console.error(signal.aborted ? "ended; cleaning up" : error);
    code = signal.aborted ? 130 : 1;
  } finally {
    progress.clear();
    for (const failure of await undo.all()) {
      console.error(`not cleaned up: ${failure}`);
      code ||= 1;
    }
  }
  if (results.length > 0) write(options, results);
  console.log(`${Math.round((performance.now() - began) / 1000)} s in all`);
  return code;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), names);
  if (options.help) {
    console.log(help());
    return 0;
  }
  if (options.render) {
    write(options, []);
    return 0;
  }
  if (process.getuid?.() !== 0 || !existsSync(join(top, "dist/bin/lightv"))) {
    console.error("the bench needs root, and dist/: npm run build");
    return 1;
  }
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ended.abort(new Error(`ended by ${signal}`)));
  return bench(options, ended);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
