/** `npm run package`: packages for devices, of each platform, from one machine. package/options.ts has its flags. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { buildNative } from "./native.ts";
import { fileSizes, overweight, weigh, weightTable } from "./package/budget.ts";
import { type Commit, readCommit } from "./package/commit.ts";
import { DEVICE, placeDevice } from "./package/device.ts";
import { FLEET, placeFleet } from "./package/fleet.ts";
import { HELP, type Options, parseOptions } from "./package/options.ts";
import { type Output, writeArchive, writeDebian, writeUpdate } from "./package/outputs.ts";
import { readSigningKey } from "./package/payload.ts";
import { makeSysroot } from "./package/sysroot.ts";
import type { Target } from "./package/targets.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const started = performance.now();

function say(text: string): void {
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

/** Gives what is too heavy. */
async function packageDevice(options: Options, target: Target, commit: Commit, output: string): Promise<string[]> {
  const { version, signKey, withNode, quick } = options;
  const { architecture } = target;
  const work = emptyDirectory(join(top, "build", "package", architecture));
  const prefix = join(work, `lightv-${version}-linux-${architecture}`);
  mkdirSync(prefix);
  const what = await placeDevice({ top, target, version, commit, prefix, say });
  const weights = weigh(fileSizes(prefix));
  const out: Output = { work, output, prefix, what, effort: quick ? "quick" : "small" };
  const pause = quick ? "" : " (a minute or two)";
  say(`${architecture}: .deb${pause}`);
  const deb = writeDebian(out, join(top, "cross-build", "debian", DEVICE));
  say(`${architecture}: .tar.zst${pause}`);
  const archive = writeArchive(out);
  say(`${architecture}: update payload`);
  const update = await writeUpdate(out, { signKey, withNode: false });
  if (withNode) await writeUpdate(out, { signKey, withNode: true });
  const files = { ".deb": deb, ".tar.zst": archive, "update payload": update };
  console.log(
    weightTable(
      architecture,
      weights,
      Object.entries(files).map(([part, bytes]) => ({ part, bytes })),
    ),
  );
  // Packed quickly it is larger than what is given away.
  return overweight(weights, quick ? 0 : deb).map((text) => `${architecture}: ${text}`);
}

async function packageFleet({ version, quick }: Options, commit: Commit, output: string): Promise<void> {
  say("controller: .deb");
  const work = emptyDirectory(join(top, "build", "package", "all"));
  const prefix = join(work, "prefix");
  mkdirSync(prefix);
  const what = await placeFleet({ top, version, commit, prefix });
  writeDebian({ work, output, prefix, what, effort: quick ? "quick" : "small" }, join(top, "cross-build", "debian", FLEET));
}

function emptyDirectory(path: string): string {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

function buildTests({ targets, version }: Options): void {
  for (const target of targets) {
    if (target.cross) makeSysroot(top, target.architecture, say);
    say(`${target.architecture}: native tests (minutes the first time)`);
    say(join(buildNative(top, target.tests, { target: "lightv-tests", version }), "lightv-tests"));
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), manifest.version);
  if (options.mode === "help") return void process.stdout.write(HELP);
  if (options.mode === "tests") return buildTests(options);
  if (options.signKey !== undefined) readSigningKey(options.signKey);
  const commit = readCommit(top, process.env.SOURCE_DATE_EPOCH);
  const output = resolve(options.output ?? join(top, "dist", "packages"));
  mkdirSync(output, { recursive: true });
  const heavy: string[] = [];
  for (const target of options.targets) heavy.push(...(await packageDevice(options, target, commit, output)));
  await packageFleet(options, commit, output);
  if (heavy.length > 0) throw new Error(`too heavy: ${heavy.join("; ")}`);
  say(output);
}

try {
  await main();
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
