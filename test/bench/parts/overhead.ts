/** What running inside costs: the same work inside and outside, interleaved. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Arena, HOW_TO_INSTALL, isMissing } from "../arena/arena.ts";
import { BENCH, type Engine, runCommand } from "../arena/engine.ts";
import { addProgram, plainTree } from "../arena/trees.ts";
import { known, number, quotient } from "../measure/format.ts";
import { interleave } from "../measure/order.ts";
import { summarize } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";

const WORK = `${BENCH}work`;
const FILE_MIB = 128;

interface Work {
  readonly name: string;
  /** Key of its figure. */
  readonly key: string;
  readonly unit: string;
  readonly rounds: number;
  readonly inside: readonly string[];
  readonly outside: readonly string[];
  /** Of the output: something that grows with the time it took. */
  readonly parse: (output: string) => number;
  /** Reads the image: its file must not be in the page cache either. */
  readonly cold?: boolean;
}

/** Nanoseconds for each kilobyte, of `openssl speed`'s last line: `sha256  512345.67k`. NaN when it is another. */
export function parseOpenssl(output: string): number {
  const kilobytes = Number(/\s([\d.]+)k\s*$/.exec(output)?.[1]);
  return 1e9 / kilobytes;
}

const lineNumber = (output: string): number => Number.parseFloat(output);

function works(arena: Arena, tree: string, openssl: string | undefined): Work[] {
  const work = join(arena.tree, "work");
  const scratch = join(arena.directory, "scratch");
  const own = (name: string, key: string, unit: string, rounds: number, args: readonly string[], outside = args, cold = false): Work => ({
    name,
    key,
    unit,
    rounds,
    inside: ["/work", ...args],
    outside: [work, ...outside],
    parse: lineNumber,
    cold,
  });
  const speed = ["speed", "-elapsed", "-seconds", "1", "-bytes", "16384", "-evp", "sha256"];
  const cpu: Work[] =
    openssl === undefined
      ? []
      : [
          {
            name: "CPU: openssl speed, SHA-256",
            key: "cpu",
            unit: "ns/kB",
            rounds: 11,
            inside: [openssl, ...speed],
            outside: [openssl, ...speed],
            parse: parseOpenssl,
          },
        ];
  return [
    ...cpu,
    own("memory: copying 64 MiB", "memory", "ns/MiB", 15, ["memory"]),
    own("system call: getppid", "getppid", "ns", 11, ["getppid"]),
    own("system call: stat of /etc/passwd", "stat", "ns", 11, ["stat"]),
    own("reading, 1 MiB at a time", "sequential", "ns/MiB", 7, ["sequential", "/file"], ["sequential", join(tree, "file")], true),
    own("reading 4 KiB anywhere", "random", "ns", 5, ["random", "/file"], ["random", join(tree, "file")], true),
    own("writing 64 MiB with fsync, writable layer", "overlay", "ns/MiB", 5, ["write", "/var"], ["write", scratch]),
    own("writing 64 MiB with fsync, volume", "volume", "ns/MiB", 5, ["write", "/data"], ["write", scratch]),
  ];
}

async function evictImages(arena: Arena, root: string): Promise<void> {
  const images = join(root, "images");
  for (const file of readdirSync(images))
    if (file.endsWith(".lv")) await arena.commands.ok([arena.program("work"), "evict", join(images, file)]);
}

async function measure(
  arena: Arena,
  engine: Engine,
  root: string,
  work: Work,
  rounds: number,
): Promise<[inside: number[], outside: number[]]> {
  const samples: [number[], number[]] = [[], []];
  const volume = ["-v", `${BENCH}data:/data`];
  const commands = [runCommand(engine, { image: WORK, more: volume, command: work.inside }), work.outside];
  for (const index of interleave([rounds, rounds])) {
    if (work.cold === true) await evictImages(arena, root);
    const value = work.parse(await arena.commands.ok(commands[index] ?? [], { timeoutMs: 120_000 }));
    if (!Number.isFinite(value)) throw new Error(`${work.name}: the output tells no number`);
    samples[index === 0 ? 0 : 1].push(value);
  }
  return samples;
}

async function run({ arena, quick, say }: PartContext): Promise<Measured> {
  const hot = await arena.lightvHot();
  const engine = isMissing(hot) ? await arena.lightvCold() : hot;
  const root = join(arena.directory, isMissing(hot) ? "cold" : "hot");
  const openssl = await arena.which("openssl");
  const tree = plainTree(join(arena.directory, "work-tree"));
  say("preparing the image");
  await arena.commands.ok(["install", "-m", "0755", arena.program("work"), join(tree, "work")]);
  await arena.commands.ok(["mkdir", "-p", join(arena.directory, "scratch")]);
  await arena.commands.ok(["dd", "if=/dev/urandom", `of=${join(tree, "file")}`, "bs=1M", `count=${FILE_MIB}`, "status=none"]);
  if (openssl !== undefined) await addProgram(arena.commands, tree, openssl);
  await engine.addImage({ name: WORK, tree, command: ["/work"] });
  await arena.commands.ok(["sync", "-f", tree]);
  const rows = [];
  const figures: Record<string, number> = {};
  for (const work of works(arena, tree, openssl)) {
    say(work.name);
    const [inside, outside] = (await measure(arena, engine, root, work, quick ? 2 : work.rounds)).map(summarize);
    const percent = (quotient(inside?.median, outside?.median) - 1) * 100;
    figures[`${work.key}Percent`] = percent;
    rows.push([work.name, work.unit, number(outside?.median), number(inside?.median), `${percent < 0 ? "" : "+"}${percent.toFixed(1)} %`]);
  }
  return {
    about: `${engine.name}, default isolation: the same programs on the same kernel, inside and outside in turns, timed by themselves, so that no start is part of it. Medians; less is better.
Reads are of a file of ${FILE_MIB} MiB, in the image (EROFS) and on the machine's file system, with nothing of it in this machine's page cache; a virtual disk may have caches of its own.`,
    tables: [{ rows: [["", "", "outside", "inside", "more"], ...rows] }],
    plots: [],
    figures: known(figures),
    notes: openssl === undefined ? [`CPU: openssl is not installed: ${HOW_TO_INSTALL.openssl}`] : [],
  };
}

export const overhead: Part = { name: "overhead", title: "Work inside a sandbox and outside", run };
