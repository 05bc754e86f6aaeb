/**
 * Hogs next to a good neighbour: each takes all it can get of one thing, in a sandbox as it is by default with a budget for that thing. It
 * must be held to the budget and be told of, and a small server beside it must go on answering about as fast as alone.
 */
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { SandboxEngine } from "#agent/sandbox/engine.ts";
import { loadNative } from "#agent/sandbox/load.ts";
import { Box, DIST } from "#test/lib/command.ts";
import { busyboxImage, imagesUnavailable } from "#test/lib/images.ts";
import { median, Neighbour } from "#test/lib/neighbour.ts";
import { SmallExt4 } from "#test/lib/small-ext4.ts";
import { suite, type TestContext } from "#test/lib/suite.ts";
import { until } from "#test/lib/world.ts";
import { HOGS, type Hog, type Seen, type Tally } from "./hog/hogs.ts";

const test = suite("fault/hogs");
const sources = join(dirname(fileURLToPath(import.meta.url)), "hog");
const ADDON = join(DIST, "lib", "lightv", "lightv.node");
const MIB = 1024 * 1024;
const DISK_BYTES = 320 * MIB;
/** Pairs of windows, one with the hog standing still and one with it running: what else the machine does is in both. */
const PAIRS = 5;
/** A machine that others use has bad moments: a breach counts when it is there as often as that, in attempts before which it was idle. */
const ATTEMPTS = 3;
const MOST_ATTEMPTS = 8;
/** Of the processors, with the neighbour and who asks it: more is others' work. */
const IDLE = 0.25;
/** Below that it is the scheduler's grain that is measured: a slice of the processor's time. */
const FLOOR_US = 4000;

interface Scene {
  readonly box: Box;
  readonly disk: SmallExt4;
  readonly engine: SandboxEngine;
  readonly neighbour: Neighbour;
  readonly tallies: string;
}

let scene: Scene | undefined;
const undo: (() => unknown)[] = [];

function unavailable(): string | undefined {
  return Box.unavailable() ?? imagesUnavailable();
}

test.before(async () => {
  if (unavailable() !== undefined) return;
  const box = new Box();
  undo.push(() => box.close());
  const disk = SmallExt4.mount(box.directory, box.root, DISK_BYTES);
  undo.push(() => disk.unmount());
  const [program, socket, tallies] = ["hog", "srv", "tally"].map((name) => join(box.directory, name)) as [string, string, string];
  const files = globSync("*.cpp", { cwd: sources }).map((file) => join(sources, file));
  execFileSync("g++", ["-std=c++20", "-O1", "-static", "-s", "-o", program, ...files]);
  await busyboxImage(box.root, { name: "hog", files: { "/bin/hog": readFileSync(program) } });
  for (const directory of [socket, tallies]) mkdirSync(directory);
  undo.push(() => box.lightv(["rm", "-f", "neighbour"]));
  const engine = new SandboxEngine(loadNative(ADDON).openEngine({ root: box.root, run: box.runRoot, monitorBinary: box.binary }));
  scene = { box, disk, engine, tallies, neighbour: await Neighbour.start(box, program, "hog", socket) };
});
test.after(async () => {
  for (const step of undo.reverse()) await step();
});

function tallyOf({ tallies }: Scene, name: string): Tally {
  const bytes = readFileSync(join(tallies, name));
  const [got = 0, total = 0, refused = 0] = [0, 8, 16].map((at) => (bytes.length < 24 ? 0 : Number(bytes.readBigUInt64LE(at))));
  return { got, total, refused };
}

/** A hog at work, which can stand still. */
class Run {
  readonly id: string;
  readonly #scene: Scene;
  readonly #name: string;
  readonly #begun = performance.now();
  #resumed: number | undefined = this.#begun;
  #workedMs = 0;

  static async start(t: TestContext, at: Scene, hog: Hog, flags: readonly string[]): Promise<Run> {
    const name = `hog-${hog.args[0]}-${Math.random().toString(36).slice(2, 8)}`;
    t.cleanup(() => at.box.lightv(["rm", "-f", name]));
    const tally = ["-v", `${at.tallies}:/tally`, "-e", `HOG_TALLY=/tally/${name}`];
    const id = await at.box.ok("run", "-d", "--name", name, ...tally, ...flags, "hog", "/bin/hog", ...hog.args);
    const run = new Run(at, name, id);
    const begun = (): true | undefined => (readdirSync(at.tallies).includes(name) && tallyOf(at, name).total > 0 ? true : undefined);
    await until(`${hog.name} to begin`, begun, 20_000);
    return run;
  }

  private constructor(at: Scene, name: string, id: string) {
    this.#scene = at;
    this.#name = name;
    this.id = id;
  }

  async pause(): Promise<void> {
    await this.#scene.box.ok("pause", this.#name);
    this.#workedMs += performance.now() - (this.#resumed ?? performance.now());
    this.#resumed = undefined;
  }

  async resume(): Promise<void> {
    this.#resumed = performance.now();
    await this.#scene.box.ok("unpause", this.#name);
  }

  async look(): Promise<Seen> {
    const { box, engine } = this.#scene;
    const [inspected] = JSON.parse(await box.ok("inspect", this.#name)) as [{ Id: string; State: Record<string, unknown> }];
    const now = performance.now();
    const worked = this.#workedMs + (this.#resumed === undefined ? 0 : now - this.#resumed);
    const log = join(box.root, "sandboxes", inspected.Id, "log");
    const logs = readdirSync(log).filter((file) => file !== "index");
    return {
      tally: tallyOf(this.#scene, this.#name),
      stats: await engine.stats(inspected.Id),
      state: inspected.State,
      seconds: worked / 1000,
      wallSeconds: (now - this.#begun) / 1000,
      logBytes: logs.reduce((sum, file) => sum + statSync(join(log, file)).size, 0),
    };
  }

  end(): Promise<unknown> {
    return this.#scene.box.lightv(["rm", "-f", this.#name]);
  }
}

/** p99 of the neighbour's answer times in microseconds, alone and beside the hog: medians of windows that take turns. */
interface Compared {
  readonly quiet: number;
  readonly beside: number;
}

async function compare({ neighbour }: Scene, run: Run): Promise<Compared> {
  const quiet: number[] = [];
  const beside: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    await run.pause();
    quiet.push((await neighbour.window()).p99);
    await run.resume();
    beside.push((await neighbour.window()).p99);
  }
  return { quiet: median(quiet), beside: median(beside) };
}

function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(2)} ms`;
}

test(
  "the bar can be missed: what has no budget and the greatest share keeps the neighbour waiting",
  async (t) => {
    if (scene === undefined) return t.skip(unavailable() ?? "no scene");
    const hog = HOGS.find(({ args }) => args[0] === "processor");
    assert.ok(hog);
    for (let attempt = 1; ; attempt++) {
      const run = await Run.start(t, scene, hog, ["--cpu-shares", "262144"]);
      const { quiet, beside } = await compare(scene, run);
      await run.end();
      console.log(`without a budget: the neighbour's p99 ${milliseconds(quiet)} quiet, ${milliseconds(beside)} beside it`);
      // The bar itself, without the floor: a wait that only some machines stretch beyond the scheduler's grain.
      if (beside > 2 * quiet) return;
      assert.ok(attempt < ATTEMPTS, `${beside} us beside it, ${quiet} us quiet`);
    }
  },
  { timeoutMs: 120_000 },
);

/** Under its budget. Throws unless it is held to it, and somebody is told. */
async function hold(t: TestContext, at: Scene, hog: Hog): Promise<Compared> {
  const run = await Run.start(t, at, hog, hog.budget(at.disk));
  const compared = await compare(at, run);
  const { quiet, beside } = compared;
  const seen = await run.look();
  await run.end();
  const took = hog.took(seen);
  console.log(
    `${hog.name}: ${took.toFixed(took < 10 ? 2 : 0)} of ${hog.most} ${hog.unit}; the neighbour's p99 ${milliseconds(quiet)} quiet, ` +
      `${milliseconds(beside)} beside it (${(beside / quiet).toFixed(2)} times)`,
  );
  assert.ok(took > 0 && took <= hog.most, `it took ${took} ${hog.unit}, its budget is ${hog.most}`);
  assert.ok(hog.told(seen), `nobody is told: ${JSON.stringify(seen)}`);
  return compared;
}

/** Why the neighbour's answers can't be judged, or undefined when they were fast enough. Throws when they were not. */
async function judge(t: TestContext, at: Scene, hog: Hog): Promise<string | undefined> {
  const breaches: number[] = [];
  for (let attempt = 0; attempt < MOST_ATTEMPTS && breaches.length < ATTEMPTS; attempt++) {
    const { busy } = await at.neighbour.window();
    const { quiet, beside } = await hold(t, at, hog);
    if (beside <= (hog.times ?? 2) * Math.max(quiet, FLOOR_US)) return undefined;
    if (busy <= IDLE) breaches.push(beside / quiet);
  }
  if (breaches.length < ATTEMPTS) return "others use this machine too much: the neighbour's answers say nothing of the hog";
  throw new Error(`the neighbour is ${Math.min(...breaches).toFixed(1)} times slower, ${ATTEMPTS} times`);
}

for (const hog of HOGS)
  test(
    `${hog.name} is held to its budget, is told of, and a good neighbour goes on answering`,
    async (t) => {
      if (scene === undefined) return t.skip(unavailable() ?? "no scene");
      const { disk } = scene;
      const free = { bytes: disk.freeBytes, inodes: disk.freeInodes };
      const unjudged = await judge(t, scene, hog);
      assert.ok(disk.freeBytes > free.bytes / 2 && disk.freeInodes > free.inodes / 2, "others have room left on the disk");

      const run = await Run.start(t, scene, hog, hog.more(disk));
      const grown = async (): Promise<true | undefined> => (hog.took(await run.look()) > hog.most ? true : undefined);
      await until(`${hog.name} to take more of a larger budget: else it is no hog`, grown, 20_000);
      await run.end();
      if (unjudged !== undefined) t.skip(unjudged);
    },
    { timeoutMs: 180_000 },
  );
