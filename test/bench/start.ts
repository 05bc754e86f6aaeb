/** Start times: whole commands, interleaved run by run in one process that does nothing else. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Contestant, Workplace } from "./contestants.ts";
import { type Summary, summarize } from "./stats.ts";

export interface StartRow {
  readonly name: string;
  /** Milliseconds. */
  readonly time: Summary;
  readonly failures: number;
}

/**
 * crun refuses a hybrid machine whose v2 tree still has controllers: this mounts those as v1 in a mount namespace of the bench's own.
 * The script's arguments are then executed there.
 */
const IN_NAMESPACE = `
made=
for controller in $(cat /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null); do
  [ -d /sys/fs/cgroup/$controller ] || { mkdir /sys/fs/cgroup/$controller && made="$made $controller"; }
  mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller
done
"$@"
status=$?
for controller in $made; do umount /sys/fs/cgroup/$controller; rmdir /sys/fs/cgroup/$controller; done
exit $status`;

function inNamespace(command: readonly string[]): [string, string[]] {
  return ["unshare", ["--mount", "--propagation", "private", "sh", "-c", IN_NAMESPACE, "sh", ...command]];
}

/** Runs each contestant `rounds` times. One that fails in a first single run is left out, with what it printed as the reason. */
export function measureStarts(place: Workplace, all: readonly Contestant[], rounds: number): { rows: StartRow[]; missing: string[] } {
  const missing: string[] = [];
  const runners: { name: string; command: readonly string[] }[] = [];
  for (const { name, command, missing: reason } of all) {
    if (command === undefined) {
      missing.push(`${name}: ${reason ?? "not here"}`);
      continue;
    }
    const trial = spawnSync(...inNamespace(command), { encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"] });
    if (trial.status === 0) runners.push({ name, command });
    else missing.push(`${name}: does not run here: ${(trial.stderr || trial.error?.message || "").trim().split("\n").at(-1)}`);
  }
  const input = runners.map(({ command }) => `${command.join("\t")}\n`).join("");
  const timed = spawnSync(...inNamespace([join(place.directory, "timer"), String(rounds)]), {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (timed.status !== 0) throw new Error(`the timer failed: ${timed.stderr || timed.error?.message}`);
  const samples = runners.map((): { times: number[]; failures: number } => ({ times: [], failures: 0 }));
  for (const line of timed.stdout.trim().split("\n")) {
    const [index, nanoseconds, exitCode] = line.split(" ").map(Number);
    const sample = samples[index ?? -1];
    if (sample === undefined || nanoseconds === undefined) continue;
    if (exitCode === 0) sample.times.push(nanoseconds / 1e6);
    else sample.failures += 1;
  }
  return {
    rows: runners.map(({ name }, i) => ({ name, time: summarize(samples[i]?.times ?? []), failures: samples[i]?.failures ?? 0 })),
    missing,
  };
}
