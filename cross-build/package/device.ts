/** The device's package, `lightv`: what lies in it, in the shape of a prefix tree with etc/ beside it. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { buildNative } from "../native.ts";
import { bundle, DEVICE_BUNDLES } from "./bundles.ts";
import type { Commit } from "./commit.ts";
import { placeLauncher } from "./launchers.ts";
import { type NodeBinary, nodeFor } from "./node.ts";
import { makeSysroot } from "./sysroot.ts";
import type { Target } from "./targets.ts";
import { libraryOf, place, placeNative, placeRelease } from "./tree.ts";

export interface Parts {
  readonly top: string;
  readonly target: Target;
  readonly version: string;
  readonly commit: Commit;
  /** Empty; the tree is made in it. */
  readonly prefix: string;
  readonly say: (text: string) => void;
}

export interface Placed {
  readonly node: NodeBinary;
  readonly metafile: Metafile;
}

/** The programs: bin/ and lib/lightv/. */
export async function placePrograms({ top, target, version, commit, prefix, say }: Parts): Promise<Placed> {
  if (target.cross) makeSysroot(top, target.architecture, say);
  const node = nodeFor(top, target, say);
  say(`${target.architecture}: native programs (minutes the first time)`);
  placeNative(prefix, buildNative(top, target.flavour, { version }));
  say(`${target.architecture}: bundles`);
  const metafile = await bundle({ top, names: DEVICE_BUNDLES, outdir: libraryOf(prefix), version });
  place(node.file, join(libraryOf(prefix), "node"), 0o755);
  placeRelease(prefix, {
    version,
    architecture: target.architecture,
    node: { version: node.version, sha256: node.sha256 },
    commit: commit.id,
  });
  placeLauncher(join(prefix, "bin"), "lightvd");
  return { node, metafile };
}

const UNIT = /\.(service|target|slice|socket)$/;

/** Units of systemd; the controller's is in its own package. */
export function placeUnits(top: string, prefix: string, mine: (name: string) => boolean): void {
  const source = join(top, "configs", "systemd");
  const target = join(prefix, "lib", "systemd", "system");
  if (!existsSync(source)) return;
  for (const name of readdirSync(source).filter((entry) => UNIT.test(entry) && mine(entry))) {
    mkdirSync(target, { recursive: true });
    copyFileSync(join(source, name), join(target, name));
  }
}

/** etc/lightv: the default configuration, and where the keys of self-updates go. */
export function placeConfiguration(top: string, etc: string): void {
  cpSync(join(top, "configs", "agent"), etc, { recursive: true });
  mkdirSync(join(etc, "update-keys"), { recursive: true });
}
