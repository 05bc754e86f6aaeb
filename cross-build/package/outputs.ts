/** From a finished tree to the files that people get. */
import { cpSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { signAgent } from "#agent/lib/agent-signature.ts";
import { compressZstd, type Effort, normalizeModes, setTimes, writeTar } from "./archive.ts";
import { writeDeb } from "./deb.ts";
import { readSigningKey, writePayload, writeSignature } from "./payload.ts";
import { type Ingredients, writeBill } from "./sbom.ts";

export interface Output {
  /** Scratch, which is this package's alone. */
  readonly work: string;
  /** Where the files go, each with its name only when it is whole. */
  readonly output: string;
  /** The tree, in `work`. */
  readonly prefix: string;
  readonly what: Ingredients;
  readonly effort: Effort;
}

/** Modes that are not the usual ones, by path in the tree: a token may stand in the agent's configuration. */
const MODES = { "etc/lightv/lightvd.conf": 0o640 } as const;

/** The .deb and its bill of materials. Gives its size in bytes. */
export function writeDebian({ work, output, prefix, what, effort }: Output, debian: string): number {
  const root = join(work, "root");
  mkdirSync(root, { recursive: true });
  cpSync(prefix, join(root, "usr"), { recursive: true });
  renameSync(join(root, "usr", "etc"), join(root, "etc"));
  const { version, architecture, epoch } = what;
  const name = `${what.name}_${version}_${architecture}`;
  const file = join(output, `${name}.deb`);
  writeDeb({ root, debian, version, architecture, epoch, effort, modes: MODES, output: `${file}.new` });
  renameSync(`${file}.new`, file);
  writeBill(join(output, `${name}.cdx.json`), what);
  rmSync(root, { recursive: true });
  return statSync(file).size;
}

/** The archive, for systems without dpkg, and its bill of materials. Gives its size in bytes. */
export function writeArchive({ work, output, prefix, what, effort }: Output): number {
  normalizeModes(prefix, MODES);
  setTimes(prefix, what.epoch);
  const name = prefix.slice(work.length + 1);
  const tar = join(work, `${name}.tar`);
  writeTar(tar, work, [name]);
  const file = join(output, `${name}.tar.zst`);
  renameSync(compressZstd(tar, effort), `${file}.new`);
  renameSync(`${file}.new`, file);
  writeBill(join(output, `${name}.cdx.json`), what);
  return statSync(file).size;
}

export interface PayloadWishes {
  readonly signKey: string | undefined;
  /** Bring Node along, for devices that have another one. */
  readonly withNode: boolean;
}

/** An update payload, signed when there is a key, and its bill of materials. Gives its size in bytes. */
export async function writeUpdate({ work, output, prefix, what }: Output, { signKey, withNode }: PayloadWishes): Promise<number> {
  const { version, architecture, epoch } = what;
  const key = signKey === undefined ? undefined : readSigningKey(signKey);
  const name = `lightv-agent-${version}-${architecture}${withNode ? "-node" : ""}`;
  const payload = join(output, `${name}.lv`);
  const slot = join(work, "slot");
  for (const part of ["bin", "lib/lightv"]) cpSync(join(prefix, part), join(slot, part), { recursive: true });
  if (!withNode) rmSync(join(slot, "lib", "lightv", "node"));
  normalizeModes(slot);
  setTimes(slot, epoch);
  const tar = `${slot}.tar`;
  writeTar(tar, slot, ["bin", "lib"]);
  const digest = await writePayload({ tar, output: payload, version, architecture, epoch });
  rmSync(tar);
  rmSync(slot, { recursive: true });
  rmSync(`${payload}.sig`, { force: true });
  if (key !== undefined) writeSignature(payload, signAgent({ digest, version, architecture }, key));
  writeBill(join(output, `${name}.cdx.json`), { ...what, name: "lightv-agent", node: withNode ? what.node : undefined });
  return statSync(payload).size;
}
