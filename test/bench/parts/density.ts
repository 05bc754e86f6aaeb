/** Many idle sandboxes: what one costs in memory, and whether the thousandth starts as quickly as the tenth. */
import { totalmem } from "node:os";
import { isMissing } from "../arena/arena.ts";
import { known, megabytes, number, quotient, ratio } from "../measure/format.ts";
import { shrinkerBytes } from "../measure/shrinkers.ts";
import { median } from "../measure/stats.ts";
import type { LinePlot, Measured, Part, PartContext } from "../part.ts";
import { type Crowd, fill, START_PAUSE_MS } from "./density/crowd.ts";

const MOST = 20_000;

function steps(quick: boolean): { own: number[]; docker: number[] } {
  return quick ? { own: [10, 100], docker: [5, 10] } : { own: [10, 100, 1000], docker: [10, 100] };
}

/** Median of the starts around the n-th (from 1): one start alone is luck. */
export function startAround(times: readonly number[], n: number): number {
  return times.length < n ? Number.NaN : median(times.slice(Math.max(0, n - 10), n));
}

function memoryLine({ engine, levels }: Crowd) {
  const points = levels.filter(({ used }) => used > 0).map(({ count, used }) => [count, used / 1e6] as const);
  return { label: engine.name, own: engine.own, points };
}

/** Medians of groups of starts, so that a line shows the trend and not each hiccup. */
function startLine({ engine, times }: Crowd) {
  const group = Math.max(1, Math.ceil(times.length / 50));
  const points: [number, number][] = [];
  for (let i = 0; i + group <= times.length; i += group) points.push([i + group, median(times.slice(i, i + group))]);
  return { label: engine.name, own: engine.own, points };
}

/** Bytes of one of `count`; undefined where the machine was so busy with other things that more memory was free than before. */
export function each(crowd: Pick<Crowd, "levels"> | undefined, count: number): number | undefined {
  const level = crowd?.levels.find((one) => one.count === count);
  return level === undefined || level.used <= 0 ? undefined : level.used / count;
}

async function run(context: PartContext): Promise<Measured> {
  const { arena, quick, say } = context;
  const notes: string[] = [];
  const hot = await arena.lightvHot();
  const own = isMissing(hot) ? await arena.lightvCold() : hot;
  if (isMissing(hot)) notes.push(`lightv hot: ${hot.missing}; measured cold`);
  const plan = steps(quick);
  // Docker first: behind thousands of sandboxes the kernel takes more for each container.
  const docker = await arena.docker();
  let theirs: Crowd | undefined;
  if (isMissing(docker)) notes.push(`docker: ${docker.missing}`);
  else {
    say(`docker: ${plan.docker.join(", ")} and as many as it takes in time`);
    theirs = await fill(context, docker, { steps: plan.docker, thenBy: quick ? 0 : 50, most: 1000, seconds: 20, ask: false });
  }
  const maps = shrinkerBytes(`${arena.cgroupParent.slice(1)}-maps`);
  if (maps !== undefined)
    notes.push(
      `a memory cgroup took ${number(maps / 1e6)} MB for the kernel's shrinkers before the first sandbox of LightV: there is room for the most file systems that the machine has had at once since it was started`,
    );
  say(`${own.name}: ${plan.own.join(", ")} and as many as the machine takes`);
  const ours = await fill(context, own, { steps: plan.own, thenBy: quick ? 0 : 500, most: MOST, seconds: 45, ask: true });
  const crowds = theirs === undefined ? [ours] : [ours, theirs];
  const memory: LinePlot = {
    kind: "lines",
    name: "memory",
    title: "Memory of idle sandboxes",
    x: "sandboxes",
    y: "MB",
    lines: crowds.map(memoryLine),
  };
  const growth: LinePlot = {
    kind: "lines",
    name: "growth",
    title: "Start of one more",
    x: "sandboxes",
    y: "ms",
    lines: crowds.map(startLine),
  };
  for (const { engine, levels, stopped, failures, drift } of crowds)
    notes.push(
      `${engine.name} ended at ${levels.at(-1)?.count ?? 0}: ${stopped}${failures > 0 ? `; ${failures} starts failed` : ""}; when all were gone, ${megabytes(drift)} MB more were free than before`,
    );
  return {
    about: `A static program that only waits, in the same image, started one after the other by \`run -d\`, with a pause of ${START_PAUSE_MS} ms. *All* is what MemAvailable fell by, the kernel's part with it;
*private* is what the processes of the sandboxes (for LightV monitor, PID 1 and program, for Docker the shims and the program) have for themselves. The page cache was dropped before each. Limits: time, and an eighth of the memory must stay free.`,
    tables: [
      {
        rows: [
          ["", "sandboxes", "all, MB", "all, each, MB", "private, each, MB", "PSS, each, MB"],
          ...crowds.flatMap(({ engine, levels }) =>
            levels.map(({ count, used, processes }) => [
              engine.name,
              String(count),
              megabytes(used),
              number(used / count / 1e6),
              number(processes.private / count / 1e6),
              number(processes.pss / count / 1e6),
            ]),
          ),
        ],
      },
      {
        rows: [
          ["start, ms", ...[1, 10, 100, 1000].map((n) => (n === 1 ? "the 1st" : `up to the ${n}th`)), "last to 10th"],
          ...crowds.map(({ engine, times }) => [
            engine.name,
            number(times[0]),
            ...[10, 100, 1000].map((n) => number(startAround(times, n))),
            ratio(quotient(startAround(times, times.length), startAround(times, 10))),
          ]),
        ],
      },
    ],
    plots: [memory, growth],
    figures: known({
      eachMb: (each(ours, 1000) ?? Number.NaN) / 1e6,
      dockerToOwn: quotient(each(theirs, 100), each(ours, 1000)),
      thousandthToTenth: quotient(startAround(ours.times, 1000), startAround(ours.times, 10)),
      unanswered: ours.levels.some(({ count }) => count >= 1000) ? ours.unanswered : undefined,
      most: ours.levels.at(-1)?.count,
      mostMemoryGb: totalmem() / 1e9,
    }),
    notes,
  };
}

export const density: Part = { name: "density", title: "Memory of idle sandboxes, and the thousandth start", run };
