/** `npm run package`: packages for devices, of each platform, from one machine. package/options.ts has its flags. */
import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { buildNative } from "./native.ts";
import { compressZstd, type Effort, normalizeModes, setTimes, writeTar } from "./package/archive.ts";
import { type Commit, readCommit } from "./package/commit.ts";
import { writeDeb } from "./package/deb.ts";
import { placeConfiguration, placePrograms, placeUnits } from "./package/device.ts";
import { HELP, type Options, parseOptions } from "./package/options.ts";
import { readSigningKey, signPayload, writePayload, writeSignature } from "./package/payload.ts";
import { makeSysroot } from "./package/sysroot.ts";
import type { Target } from "./package/targets.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const started = performance.now();

function say(text: string): void {
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

async function packageDevice(options: Options, target: Target, commit: Commit, output: string): Promise<void> {
  const { version } = options;
  const { architecture } = target;
  const effort: Effort = options.quick ? "quick" : "small";
  const name = `lightv-${version}-linux-${architecture}`;
  const work = join(top, "build", "package", architecture);
  rmSync(work, { recursive: true, force: true });
  const prefix = join(work, name);
  mkdirSync(prefix, { recursive: true });
  await placePrograms({ top, target, version, commit, prefix, say });
  placeUnits(top, prefix, (unit) => !unit.startsWith("lightv-fleet"));
  placeConfiguration(top, join(prefix, "etc", "lightv"));

  const root = join(work, "root");
  mkdirSync(root);
  cpSync(prefix, join(root, "usr"), { recursive: true });
  renameSync(join(root, "usr", "etc"), join(root, "etc"));
  const deb = join(output, `lightv_${version}_${architecture}.deb`);
  say(`${architecture}: ${deb}`);
  const modes = { "etc/lightv/lightvd.conf": 0o640 };
  writeDeb({
    root,
    debian: join(top, "cross-build/debian/lightv"),
    version,
    architecture,
    epoch: commit.epoch,
    effort,
    modes,
    output: deb,
  });

  normalizeModes(prefix, modes);
  setTimes(prefix, commit.epoch);
  const tar = join(output, `${name}.tar`);
  say(`${architecture}: ${tar}.zst`);
  writeTar(tar, work, [name]);
  compressZstd(tar, effort);
  await payloads(options, target, commit, prefix, output);
}

async function payloads(options: Options, target: Target, commit: Commit, prefix: string, output: string): Promise<void> {
  const { version, signKey, withNode } = options;
  const { architecture } = target;
  const key = signKey === undefined ? undefined : readSigningKey(signKey);
  for (const whole of withNode ? [false, true] : [false]) {
    const payload = join(output, `lightv-agent-${version}-${architecture}${whole ? "-node" : ""}.lv`);
    say(`${architecture}: ${payload}`);
    const slot = join(top, "build", "package", architecture, "slot");
    rmSync(slot, { recursive: true, force: true });
    for (const part of ["bin", "lib/lightv"]) cpSync(join(prefix, part), join(slot, part), { recursive: true });
    if (!whole) rmSync(join(slot, "lib", "lightv", "node"));
    setTimes(slot, commit.epoch);
    const tar = `${slot}.tar`;
    writeTar(tar, slot, ["bin", "lib"]);
    const digest = await writePayload({ tar, output: payload, version, architecture, epoch: commit.epoch });
    rmSync(tar);
    if (key !== undefined) writeSignature(payload, signPayload(key, digest, version, architecture));
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), manifest.version);
  if (options.mode === "help") return void process.stdout.write(HELP);
  if (options.mode === "tests") {
    for (const target of options.targets) {
      if (target.cross) makeSysroot(top, target.architecture, say);
      say(`${target.architecture}: native tests (minutes the first time)`);
      say(join(buildNative(top, target.tests, { target: "lightv-tests" }), "lightv-tests"));
    }
    return;
  }
  const commit = readCommit(top, process.env.SOURCE_DATE_EPOCH);
  const output = resolve(options.output ?? join(top, "dist", "packages"));
  mkdirSync(output, { recursive: true });
  for (const target of options.targets) await packageDevice(options, target, commit, output);
}

try {
  await main();
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
