/** Start of a static hello: the whole command, from its start to its end with the program's status. */

import { ofEngine, tried } from "../contestants/contestant.ts";
import { bare, bwrap, oci } from "../contestants/runtimes.ts";
import { known, number, quotient, ratio } from "../measure/format.ts";
import type { Timed } from "../measure/race.ts";
import { PAUSE_MS, race } from "../measure/race.ts";
import type { Measured, Part, PartContext, Table } from "../part.ts";

/** A table of times; ratios are to the hot LightV, or the cold one where there is no hot. */
export function timesTable(title: string, rows: readonly Timed[]): Table {
  const own = rows.find(({ name }) => name.includes("lightv hot")) ?? rows.find(({ own: ours }) => ours);
  const body = rows.map(({ name, time, failures }) => [
    name,
    number(time.min),
    number(time.median),
    number(time.p90),
    ratio(quotient(time.median, own?.time.median)),
    failures > 0 ? `${failures} failed` : "",
  ]);
  return { rows: [[title, "min", "median", "p90", `to ${own?.name ?? "LightV"}`, ""], ...body] };
}

async function run({ arena, quick, say }: PartContext): Promise<Measured> {
  say("preparing the contestants");
  const contestants = [
    bare(arena),
    ofEngine(await arena.lightvHot()),
    ofEngine(await arena.lightvCold()),
    await oci(arena, "crun"),
    await oci(arena, "runc"),
    await bwrap(arena),
    ofEngine(await arena.podman()),
    ofEngine(await arena.docker()),
  ];
  const { runners, missing } = await tried(arena, contestants);
  const rounds = quick ? 10 : 60;
  say(`${rounds} rounds of ${runners.map(({ name }) => name).join(", ")}`);
  const rows = await race(arena, runners, rounds);
  const median = (name: string): number | undefined => rows.find((row) => row.name === name)?.time.median;
  return {
    about: `The same static program, which writes one line, from the same tree. LightV, Docker and Podman run \`run --rm --network none\` with an image and
everything that is on by default: namespaces, seccomp, capabilities, cgroup, log, exit status. crun and runc run a bundle with the configuration of their own \`spec\`, read-only.
bwrap has neither image nor cgroup nor log. ${rounds} rounds, each in another order, ${PAUSE_MS} ms between two runs. Run-time state is in memory, data on disk.`,
    tables: [timesTable("whole command, ms", rows)],
    plots: [
      {
        kind: "bars",
        name: "start",
        title: "Start of a static program, whole command, median",
        unit: "ms",
        bars: rows.map(({ name, time, own }) => ({ label: name, value: time.median, own })),
      },
    ],
    figures: known({
      hotMs: median("lightv hot"),
      coldMs: median("lightv cold"),
      dockerToHot: quotient(median("docker"), median("lightv hot")),
      hotToBare: quotient(median("lightv hot"), median("bare fork+exec")),
      crunToCold: quotient(median("crun"), median("lightv cold")),
      failures: rows.reduce((sum, { failures }) => sum + failures, 0),
    }),
    notes: missing,
  };
}

export const start: Part = { name: "start", title: "Start of a static program", run };
