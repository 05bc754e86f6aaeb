/** Fifty starts a second for ten minutes, after 500 at once: do starts become slower as the kernel clears up behind them? */
import { isMissing } from "../arena/arena.ts";
import { HELLO, runCommand } from "../arena/engine.ts";
import { absolute } from "../contestants/contestant.ts";
import { known, number, quotient } from "../measure/format.ts";
import { type BurstRun, burst } from "../measure/race.ts";
import { quantile, summarize } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";

const PER_SECOND = 50;

/** Runs by the minute in which they were due. */
export function byMinute(runs: readonly BurstRun[]): BurstRun[][] {
  const minutes: BurstRun[][] = [];
  for (const run of runs) {
    const minute = Math.floor(run.at / 60_000);
    while (minutes.length <= minute) minutes.push([]);
    minutes[minute]?.push(run);
  }
  return minutes;
}

async function run({ arena, quick, say }: PartContext): Promise<Measured> {
  const hot = await arena.lightvHot();
  const engine = isMissing(hot) ? await arena.lightvCold() : hot;
  const notes = isMissing(hot) ? [`lightv hot: ${hot.missing}; measured cold`] : [];
  const command = await absolute(arena, runCommand(engine, { image: HELLO }));
  const seconds = quick ? 10 : 600;
  say("500 at once");
  const first = await burst(arena, command, ["at-once", quick ? 50 : 500]);
  say(`${PER_SECOND} starts a second for ${seconds} s`);
  const runs = await burst(arena, command, ["rate", seconds, PER_SECOND]);
  const minutes = byMinute(runs);
  const took = (some: readonly BurstRun[]): number[] => some.filter(({ ok }) => ok).map((one) => one.took);
  const p99 = (some: readonly BurstRun[] | undefined): number => quantile(took(some ?? []), 0.99);
  const failures = [...first, ...runs].filter(({ ok }) => !ok).length;
  return {
    about: `${engine.name}: ${first.length} at once, then one \`run --rm\` every ${1000 / PER_SECOND} ms for ${seconds} s, whatever the others do; time that a start had to wait counts.`,
    tables: [
      {
        rows: [
          ["minute", "starts", "median, ms", "p90", "p99", "failed"],
          ...minutes.map((minute, i) => {
            const time = summarize(took(minute));
            return [
              String(i + 1),
              String(minute.length),
              number(time.median),
              number(time.p90),
              number(time.p99),
              String(minute.length - time.runs),
            ];
          }),
        ],
      },
    ],
    plots: [
      {
        kind: "lines",
        name: "churn",
        title: "Fifty starts a second: 99 of 100 are done within",
        x: "minute",
        y: "ms",
        lines: [{ label: "p99", own: true, points: minutes.map((minute, i) => [i + 1, p99(minute)] as const) }],
      },
    ],
    figures: isMissing(hot) ? {} : known({ lastToFirst: quotient(p99(minutes.at(-1)), p99(minutes[0])), failures }),
    notes,
  };
}

export const churn: Part = { name: "churn", title: "Fifty starts a second for ten minutes", long: true, run };
