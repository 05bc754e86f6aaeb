/**
 * `npm run test:system [-- amd64|arm64 …] [--filter TEXT] [--case TEXT] [--all] [--reboots N] [--no-package]`: virtual devices that boot Debian's kernel and systemd.
 * Builds the packages, then runs each scenario file on each platform; the last line is `N passed, N failed, N skipped`.
 * `--power-cuts N [--arch PLATFORM] [--minutes N] [--seed N] [--outcomes N] [--wear] [--record]`: only the power cuts, so many of them
 * (docs/power-cuts.md, with more options).
 * Without --all, --filter or a platform: the files that SMALL names.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Outcome, print, runFile } from "#test/lib/run-suites.ts";
import { accelerator } from "./lib/accelerator.ts";
import { PLATFORMS, type Platform } from "./lib/recipe.ts";
import { rootFs } from "./lib/rootfs.ts";

const here = dirname(fileURLToPath(import.meta.url));
const top = dirname(dirname(here));
/** hard.test.ts takes half an hour where it has a processor for itself. */
const FILE_TIMEOUT_MS = 60 * 60_000;
const LONG_TIMEOUT_MS = 6 * 3_600_000;
/** What the default run does: what two cores without KVM do in some 35 minutes. */
const SMALL: Readonly<Record<Platform, readonly string[]>> = { amd64: ["boot", "operate", "update"], arm64: [] };

const started = performance.now();
const say = (text: string): void => console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    filter: { type: "string", multiple: true },
    case: { type: "string" },
    reboots: { type: "string" },
    all: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    "no-package": { type: "boolean", default: false },
    arch: { type: "string", multiple: true, default: [] },
    "power-cuts": { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string" },
    outcomes: { type: "string" },
    activities: { type: "string" },
    wear: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
const chosen = [...positionals, ...values.arch];
/** What power-cut.test.ts is told, when it is all that is wanted. */
const powerCuts =
  values["power-cuts"] === undefined
    ? undefined
    : [
        `--power-cuts=${values["power-cuts"]}`,
        ...(["minutes", "seed", "outcomes", "activities"] as const).flatMap((name) =>
          values[name] === undefined ? [] : [`--${name}=${values[name]}`],
        ),
        ...(values.wear ? ["--wear"] : []),
        ...(values.record ? ["--record"] : []),
      ].join(" ");
const unknown = chosen.filter((name) => !PLATFORMS.some((platform) => platform === name));
if (unknown.length > 0) {
  console.error(`no such platform: ${unknown.join(" ")} (there are: ${PLATFORMS.join(" ")})`);
  process.exit(2);
}

/** Whether more is asked for than fits into the usual time of a file. */
const LONG_RUN =
  values.all || values.reboots !== undefined || powerCuts !== undefined || process.env.LIGHTV_SYSTEM_AWAY_MINUTES !== undefined;

/** The test files for a platform, by their names without ".test.ts". */
function filesFor(platform: Platform): string[] {
  const all = globSync("*.test.ts", { cwd: here })
    .map((file) => file.replace(/\.test\.ts$/, ""))
    .sort();
  const wanted = powerCuts === undefined ? values.filter : ["power-cut"];
  if (wanted !== undefined) return all.filter((file) => wanted.some((text) => file.includes(text)));
  return values.all || chosen.includes(platform) ? all : all.filter((file) => SMALL[platform].includes(file));
}

function makePackages(platforms: readonly Platform[]): void {
  if (values["no-package"] || process.env.LIGHTV_SYSTEM_PACKAGES !== undefined) return;
  say(`packages for ${platforms.join(" and ")}`);
  makePackage("--quick", platforms);
  const tested = platforms.filter((platform) => filesFor(platform).includes("native"));
  if (tested.length === 0) return;
  say(`native tests for ${tested.join(" and ")}`);
  makePackage("tests", tested);
}

function makePackage(what: string, platforms: readonly Platform[]): void {
  const args = [what, ...platforms.flatMap((platform) => ["--arch", platform])];
  const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", "package", "--", ...args], { cwd: top, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm run package -- ${what}: ${stdout}${stderr}`);
}

async function runPlatform(platform: Platform): Promise<Outcome[]> {
  const base = await rootFs(platform, say);
  const wanted = process.env.LIGHTV_SYSTEM_ACCEL;
  const { kind } = await accelerator(base, wanted === "kvm" || wanted === "tcg" ? wanted : undefined);
  say(`${platform}: ${kind === "kvm" ? "on this machine's processor (KVM)" : "emulated (TCG)"}`);
  const outcomes: Outcome[] = [];
  for (const file of filesFor(platform)) {
    const outcome = await runFile(join(here, `${file}.test.ts`), `system/${platform}/${file}`, {
      timeoutMs: LONG_RUN ? LONG_TIMEOUT_MS : FILE_TIMEOUT_MS,
      progress: (text) => process.stdout.write(text),
      env: {
        LIGHTV_SYSTEM_PLATFORM: platform,
        LIGHTV_SYSTEM_ACCEL: kind,
        ...(powerCuts === undefined ? {} : { LIGHTV_POWER_CUTS: powerCuts }),
        ...(values.all ? { LIGHTV_SYSTEM_ALL: "1" } : {}),
        ...(values.case === undefined ? {} : { LIGHTV_SYSTEM_CASE: values.case }),
        ...(values.reboots === undefined ? {} : { LIGHTV_SYSTEM_REBOOTS: values.reboots }),
        ...(values.keep ? { LIGHTV_SYSTEM_KEEP: "1" } : {}),
      },
    });
    print(outcome);
    say(`${platform}: ${file} done`);
    outcomes.push(outcome);
  }
  return outcomes;
}

const outcomes: Outcome[] = [];
const attempt = async (name: string, run: () => Promise<Outcome[]>): Promise<void> => {
  const failed = (error: unknown): Outcome[] => {
    const outcome = {
      name,
      passed: 0,
      failed: 1,
      skipped: [],
      output: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
    print(outcome);
    return [outcome];
  };
  outcomes.push(...(await run().catch(failed)));
};

const platforms = PLATFORMS.filter((platform) => (chosen.length === 0 ? filesFor(platform).length > 0 : chosen.includes(platform)));
await attempt("system/packages", async () => {
  makePackages(platforms);
  return [];
});
if (outcomes.length === 0) for (const platform of platforms) await attempt(`system/${platform}`, () => runPlatform(platform));

const sum = (pick: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + pick(outcome), 0);
const [passed, failed, skipped] = [sum((o) => o.passed), sum((o) => o.failed), sum((o) => o.skipped.length)];
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
