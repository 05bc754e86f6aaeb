/** The device's package, `lightv`: what lies in it, in the shape of a prefix tree with etc/ beside it. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { buildNative } from "../native.ts";
import { bundle, DEVICE_BUNDLES } from "./bundles.ts";
import type { Commit } from "./commit.ts";
import { placeChangelog, placeCompletions, placeManPages } from "./documents.ts";
import { debianLibraries, npmPackages } from "./ingredients.ts";
import { placeLauncher } from "./launchers.ts";
import { placeLicenses } from "./licenses.ts";
import { nodeFor } from "./node.ts";
import type { Ingredients } from "./sbom.ts";
import { makeSysroot } from "./sysroot.ts";
import type { Target } from "./targets.ts";
import { libraryOf, place, placeNative, placeRelease } from "./tree.ts";

export const DEVICE = "lightv";

export interface Parts {
  readonly top: string;
  readonly target: Target;
  readonly version: string;
  readonly commit: Commit;
  /** Empty; the tree is made in it. */
  readonly prefix: string;
  readonly say: (text: string) => void;
}

/** Makes the whole tree; gives what it is made of. Throws when anything can't be built or fetched. */
export async function placeDevice({ top, target, version, commit, prefix, say }: Parts): Promise<Ingredients> {
  const { architecture } = target;
  if (target.cross) makeSysroot(top, architecture, say);
  const node = nodeFor(top, target, say);
  say(`${architecture}: native programs (minutes the first time)`);
  placeNative(prefix, buildNative(top, target.flavour, { version, buildTime: commit.epoch }));
  say(`${architecture}: bundles and documents`);
  const metafile = await bundle({ top, names: DEVICE_BUNDLES, outdir: libraryOf(prefix), version });
  place(node.file, join(libraryOf(prefix), "node"), 0o755);
  placeRelease(prefix, { version, architecture, node: { version: node.version, sha256: node.sha256 }, commit: commit.id });
  placeLauncher(join(prefix, "bin"), "lightvd");
  placeUnits(top, prefix, (unit) => !unit.startsWith("lightv-fleet"));
  const etc = join(prefix, "etc", "lightv");
  cpSync(join(top, "configs", "agent"), etc, { recursive: true });
  mkdirSync(join(etc, "update-keys"));
  place(join(top, "configs", "sandbox", "apparmor-lightv-default"), join(prefix, "etc", "apparmor.d", "lightv-default"), 0o644);

  const npm = npmPackages(top, metafile);
  const documents = { top, prefix, emulator: target.emulator, version, epoch: commit.epoch };
  placeManPages(documents);
  placeCompletions(documents);
  placeChangelog(documents, DEVICE);
  const debian = debianLibraries(top, target);
  placeLicenses({ top, prefix, name: DEVICE, epoch: commit.epoch, packages: npm, libraries: debian, nodeLicense: node.license });
  return { name: DEVICE, version, architecture, commit: commit.id, epoch: commit.epoch, npm, debian, node };
}

const UNIT = /\.(service|target|slice|socket)$/;

/** Units of systemd, those that are `mine` of configs/systemd. */
export function placeUnits(top: string, prefix: string, mine: (name: string) => boolean): void {
  const source = join(top, "configs", "systemd");
  const target = join(prefix, "lib", "systemd", "system");
  if (!existsSync(source)) return;
  for (const name of readdirSync(source).filter((entry) => UNIT.test(entry) && mine(entry))) {
    mkdirSync(target, { recursive: true });
    copyFileSync(join(source, name), join(target, name));
  }
}
