/**
 * `npm run bench [--quick]`: LightV beside the peers that are installed, in one run, as ratios. It installs nothing; what is
 * missing is said with how to get it. Writes docs/benchmarks.md unless --no-write.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureAgent } from "./agent.ts";
import { contestants, prepare, which } from "./contestants.ts";
import { mib } from "./memory.ts";
import { measureStarts, type StartRow } from "./start.ts";
import { table } from "./stats.ts";

const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const quick = process.argv.includes("--quick");
const rounds = quick ? 10 : 30;
const idleSeconds = quick ? 15 : 60;

function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} x` : "-";
}

function startTable(rows: readonly StartRow[]): string {
  const own = rows.find(({ name }) => name.startsWith("lightv"))?.time.median ?? Number.NaN;
  const body = rows.map(({ name, time, failures }) => [
    name,
    time.min.toFixed(2),
    time.median.toFixed(2),
    time.p90.toFixed(2),
    ratio(time.median / own),
    failures > 0 ? `${failures} failed` : "",
  ]);
  return table([["whole command, ms", "min", "median", "p90", "to lightv", ""], ...body]);
}

function versions(): string {
  const first = (program: string): string => spawnSync(program, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
  return ["crun", "runc", "bwrap", "podman", "docker"]
    .filter((name) => which(name) !== undefined)
    .map(first)
    .join("; ");
}

const directory = mkdtempSync(join(tmpdir(), "lightv-bench-"));
const runState = mkdtempSync("/dev/shm/lightv-bench-");
try {
  const place = prepare(top, directory, runState);
  const { rows, missing } = measureStarts(place, contestants(place), rounds);
  const starts = startTable(rows);
  console.log(starts);
  for (const line of missing) console.log(`missing: ${line}`);

  console.log(`\nagent, one app, connected over MQTT, idle for ${idleSeconds} s:`);
  const agent = await measureAgent(idleSeconds);
  const memory = table([
    ["", "private", "PSS", "RSS"],
    ["lightvd", mib(agent.lightvd.private), mib(agent.lightvd.pss), mib(agent.lightvd.rss)],
    ["monitor of the app", mib(agent.monitor.private), mib(agent.monitor.pss), mib(agent.monitor.rss)],
  ]);
  console.log(`${memory}\nCPU time meanwhile: ${agent.cpuMs} ms`);

  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "CPU"}, ${Math.round(totalmem() / (1 << 30))} GiB, Linux ${release()}; ${versions()}`;
  const page = `# Benchmarks

Made by \`npm run bench\`${quick ? " --quick" : ""}: ratios of one run on one machine, contestants interleaved run by run. Absolute times are that machine's.

${machine}

## Start of a static program, whole command, ${rounds} runs each

\`\`\`
${starts}
\`\`\`
${missing.map((line) => `\nMissing: ${line}.`).join("")}

## Agent, one app, MQTT connected, idle for ${idleSeconds} s

\`\`\`
${memory}
\`\`\`

CPU time of the agent meanwhile: ${agent.cpuMs} ms.
`;
  if (!process.argv.includes("--no-write")) writeFileSync(join(top, "docs", "benchmarks.md"), page);
} finally {
  for (const path of [directory, runState]) rmSync(path, { recursive: true, force: true });
}
