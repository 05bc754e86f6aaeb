/** Many starts at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Contestant, ofEngine, tried } from "../contestants/contestant.ts";
import { known, number, quotient, ratio } from "../measure/format.ts";
import { interleave } from "../measure/order.ts";
import { burst, wholeTime } from "../measure/race.ts";
import { median, quantile } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";

/** Before each round: time for the kernel to clear up after the one before, and for a pool to be full again. */
const SETTLE_MS = 2000;

interface Rounds {
  readonly name: string;
  readonly count: number;
  readonly times: number[];
  readonly each: number[];
  failures: number;
}

async function run({ arena, quick, say, signal }: PartContext): Promise<Measured> {
  const engines = [await arena.lightvHot(), await arena.lightvCold(), await arena.docker(), await arena.podman()];
  const { runners, missing } = await tried(
    arena,
    engines.map((engine) => ofEngine(engine)),
  );
  const few = quick ? 20 : 100;
  const many = quick ? 100 : 500;
  const rows: Rounds[] = [];
  const repeat = async (count: number, runner: Contestant | undefined): Promise<void> => {
    if (runner === undefined) return;
    const { name, command } = runner;
    const row = rows.find((one) => one.name === name && one.count === count) ?? { name, count, times: [], each: [], failures: 0 };
    if (!rows.includes(row)) rows.push(row);
    say(`${count} at once: ${name}`);
    await sleep(SETTLE_MS, undefined, { signal });
    const runs = await burst(arena, command, ["at-once", count]);
    row.times.push(wholeTime(runs));
    row.each.push(...runs.map(({ took }) => took));
    row.failures += count - runs.filter(({ ok }) => ok).length;
  };
  // A hundred take Docker and Podman half a minute: they run less often, but between the rounds of LightV.
  const rounds = runners.map(({ own, name }) => (quick ? 1 : own ? 4 : name === "docker" ? 2 : 1));
  for (const index of interleave(rounds)) await repeat(few, runners[index]);
  for (const index of interleave(runners.map(({ own }) => (own ? (quick ? 1 : 3) : 0)))) await repeat(many, runners[index]);
  const time = (name: string, count: number): number | undefined => {
    const row = rows.find((one) => one.name === name && one.count === count);
    return row === undefined ? undefined : median(row.times);
  };
  const hot = rows.filter(({ name }) => name === "lightv hot");
  const ours = time("lightv hot", few) ?? time("lightv cold", few);
  return {
    about: `Whole commands (\`run --rm --network none\`), all begun as fast as one process can, until the last has ended. Median of the rounds, ${SETTLE_MS / 1000} s of rest before each. At ${many} at once only LightV.`,
    tables: [
      {
        rows: [
          ["", "at once", "all done, ms", "a run, median, ms", "p99", "rounds", "to lightv", ""],
          ...rows.map(({ name, count, times, each, failures }) => [
            name,
            String(count),
            number(median(times)),
            number(median(each)),
            number(quantile(each, 0.99)),
            String(times.length),
            count === few ? ratio(quotient(median(times), ours)) : "",
            failures > 0 ? `${failures} failed` : "",
          ]),
        ],
      },
    ],
    plots: [
      {
        kind: "bars",
        name: "at-once",
        title: `${few} at once, until the last has ended`,
        unit: "ms",
        bars: rows
          .filter(({ count }) => count === few)
          .map((row) => ({ label: row.name, value: median(row.times), own: row.name.startsWith("lightv") })),
      },
    ],
    figures: known({
      docker100ToHot: quotient(time("docker", few), time("lightv hot", few)),
      docker100ToCold: quotient(time("docker", few), time("lightv cold", few)),
      hot500Ms: time("lightv hot", many),
      hotFailures: hot.length === 0 ? undefined : hot.reduce((sum, { failures }) => sum + failures, 0),
    }),
    notes: missing,
  };
}

export const atOnce: Part = { name: "at-once", title: "Many at once", run };
