/** Starts a second that an engine keeps up. */
import { cpus } from "node:os";
import { ofEngine, tried } from "../contestants/contestant.ts";
import { known, number } from "../measure/format.ts";
import { burst } from "../measure/race.ts";
import { summarize } from "../measure/stats.ts";
import type { Measured, Part, PartContext } from "../part.ts";

async function run({ arena, quick, say }: PartContext): Promise<Measured> {
  const engines = [await arena.lightvHot(), await arena.lightvCold(), await arena.docker(), await arena.podman()];
  const { runners, missing } = await tried(
    arena,
    engines.map((engine) => ofEngine(engine)),
  );
  const [ownSeconds, peerSeconds] = quick ? [3, 3] : [30, 15];
  const atOnce = 2 * cpus().length;
  const rows = [];
  for (const { name, command, own } of runners) {
    const seconds = own ? ownSeconds : peerSeconds;
    say(`${seconds} s of ${name}`);
    const runs = await burst(arena, command, ["sustained", seconds, atOnce]);
    const good = runs.filter(({ ok }) => ok);
    rows.push({
      name,
      own,
      rate: good.length / seconds,
      time: summarize(good.map(({ took }) => took)),
      failures: runs.length - good.length,
    });
  }
  return {
    about: `${atOnce} whole commands at a time for ${ownSeconds} s (LightV) and ${peerSeconds} s (peers), the next as soon as one has ended: what an engine keeps up while it also clears up after itself. One round each.`,
    tables: [
      {
        rows: [
          ["", "starts a second", "a start, median, ms", "p99", ""],
          ...rows.map(({ name, rate, time, failures }) => [
            name,
            number(rate),
            number(time.median),
            number(time.p99),
            failures > 0 ? `${failures} failed` : "",
          ]),
        ],
      },
    ],
    plots: [
      {
        kind: "bars",
        name: "sustained",
        title: `Starts a second, kept up`,
        unit: "starts/s",
        bars: rows.map(({ name, rate, own }) => ({ label: name, value: rate, own })),
      },
    ],
    figures: known({
      hotPerSecond: rows.find(({ name }) => name === "lightv hot")?.rate,
      coldPerSecond: rows.find(({ name }) => name === "lightv cold")?.rate,
      dockerPerSecond: rows.find(({ name }) => name === "docker")?.rate,
    }),
    notes: missing,
  };
}

export const sustained: Part = { name: "sustained", title: "Starts a second", run };
