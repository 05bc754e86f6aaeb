/** What was promised, and which figure of the bench decides it. Pure. */
import { number } from "../measure/format.ts";
import type { PartResult } from "../part.ts";

export interface Bar {
  readonly what: string;
  readonly bar: string;
  /** Part and figures; all of them are needed. */
  readonly part: string;
  readonly figures: readonly string[];
  readonly told: (...values: readonly number[]) => string;
  readonly holds: (...values: readonly number[]) => boolean;
}

const times = (value = Number.NaN): string => `${number(value)} x`;
const atLeast =
  (bound: number) =>
  (value = Number.NaN): boolean =>
    value >= bound;
const atMost =
  (bound: number) =>
  (value = Number.NaN): boolean =>
    value <= bound;

export const PROMISES: readonly Bar[] = [
  {
    what: "docker run --network none / lightv run, hot",
    bar: "at least 154",
    part: "start",
    figures: ["dockerToHot"],
    told: times,
    holds: atLeast(154),
  },
  { what: "lightv run, hot / bare fork+exec", bar: "at most 2.5", part: "start", figures: ["hotToBare"], told: times, holds: atMost(2.5) },
  { what: "crun run / lightv run, cold", bar: "at least 3", part: "start", figures: ["crunToCold"], told: times, holds: atLeast(3) },
  {
    what: "100 at once, docker / lightv",
    bar: "at least 90",
    part: "at-once",
    figures: ["docker100ToHot"],
    told: times,
    holds: atLeast(90),
  },
  {
    what: "500 at once",
    bar: "no failure",
    part: "at-once",
    figures: ["hot500Ms", "hotFailures"],
    told: (ms, failures) => `${number(failures)} failures, done in ${number(ms)} ms`,
    holds: (_, failures) => failures === 0,
  },
  {
    what: "500 at once, then 50 starts a second for 10 minutes",
    bar: "no failure; p99 of the last minute at most 2 times that of the first",
    part: "churn",
    figures: ["failures", "lastToFirst"],
    told: (failures, lastToFirst) => `${number(failures)} failures; ${times(lastToFirst)}`,
    holds: (failures = Number.NaN, lastToFirst = Number.NaN) => failures === 0 && lastToFirst <= 2,
  },
  {
    what: "memory of an idle sandbox, at 1,000",
    bar: "at most 0.5 MB",
    part: "density",
    figures: ["eachMb"],
    told: (mb) => `${number(mb)} MB`,
    holds: atMost(0.5),
  },
  {
    what: "memory of an idle sandbox, docker (at 100) / lightv (at 1,000)",
    bar: "at least 14",
    part: "density",
    figures: ["dockerToOwn"],
    told: times,
    holds: atLeast(14),
  },
  {
    what: "1,000 sandboxes at once",
    bar: "all answer; the 1,000th starts within 2 times the time of the 10th",
    part: "density",
    figures: ["unanswered", "thousandthToTenth"],
    told: (unanswered, growth) => `${number(unanswered)} without an answer; ${times(growth)}`,
    holds: (unanswered = Number.NaN, growth = Number.NaN) => unanswered === 0 && growth <= 2,
  },
  {
    what: "work inside against outside: CPU, memory bandwidth",
    bar: "less than 1 % more time",
    part: "overhead",
    figures: ["cpuPercent", "memoryPercent"],
    told: (cpu = Number.NaN, memory = Number.NaN) => `${cpu.toFixed(1)} %, ${memory.toFixed(1)} %`,
    holds: (cpu = Number.NaN, memory = Number.NaN) => cpu < 1 && memory < 1,
  },
  {
    what: "first byte from nginx, docker / lightv, hot",
    bar: "at least 20",
    part: "first-byte",
    figures: ["nginxDockerToHot"],
    told: times,
    holds: atLeast(20),
  },
  {
    what: "agent, private memory, 1 app",
    bar: "at most 25 MB",
    part: "agent",
    figures: ["private1Mb"],
    told: (mb) => `${number(mb)} MB`,
    holds: atMost(25),
  },
  {
    what: "agent, private memory, 10 apps",
    bar: "at most 16 MB",
    part: "agent",
    figures: ["private10Mb"],
    told: (mb) => `${number(mb)} MB`,
    holds: atMost(16),
  },
  {
    what: "agent with 100 sandboxes and telemetry every 5 s, in a memory cgroup of 32 MB for 10 minutes",
    bar: "no OOM kill, no restart, no heartbeat later than 1 s",
    part: "small-agent",
    figures: ["oomKills", "restarts", "latestMs"],
    told: (oomKills, restarts, latestMs) =>
      `${number(oomKills)} OOM kills, ${number(restarts)} restarts, at most ${number(latestMs)} ms late`,
    holds: (oomKills = Number.NaN, restarts = Number.NaN, latestMs = Number.NaN) => oomKills === 0 && restarts === 0 && latestMs <= 1000,
  },
];

export interface Judged {
  readonly promise: Bar;
  /** undefined: not measured. */
  readonly figure: string | undefined;
  readonly kept: boolean;
}

/** A quick look decides nothing. */
export function judge(results: readonly PartResult[]): Judged[] {
  return PROMISES.map((promise) => {
    const result = results.find(({ name, quick }) => name === promise.part && !quick);
    const values = promise.figures.map((key) => result?.figures[key]);
    if (values.some((value) => value === undefined)) return { promise, figure: undefined, kept: false };
    const known = values as number[];
    return { promise, figure: promise.told(...known), kept: promise.holds(...known) };
  });
}
