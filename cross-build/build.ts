/**
 * `npm run build`: leaves in dist/ the tree as it would be installed under /usr (package/tree.ts) with both programs' parts and
 * etc/lightv/ beside them, and it runs from there.
 */
import { copyFileSync, cpSync, existsSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { buildNative } from "./native.ts";
import { BUNDLES, type Bundle, bundle } from "./package/bundles.ts";
import { readCommit } from "./package/commit.ts";
import { placeLauncher } from "./package/launchers.ts";
import { nodePin } from "./package/node.ts";
import { hostTarget } from "./package/targets.ts";
import { fileDigest, libraryOf, placeNative, placeRelease } from "./package/tree.ts";

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(top, "dist");
const lib = libraryOf(dist);
const quiet = process.argv.includes("--quiet");

function say(text: string): void {
  if (!quiet) console.log(text);
}

/** The whole binary, with symbols: development wants them, and a link costs no copy. */
function placeNode(): void {
  const source = join(top, "node_modules", `node-linux-${process.arch}`, "bin", "node");
  const target = join(lib, "node");
  if (existsSync(target) && statSync(target).size === statSync(source).size) return;
  rmSync(target, { force: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

const host = hostTarget();
mkdirSync(join(dist, "bin"), { recursive: true });
mkdirSync(lib, { recursive: true });
say("native");
const commit = readCommit(top, process.env.SOURCE_DATE_EPOCH);
placeNative(dist, buildNative(top, host.flavour, { buildTime: commit.epoch }));
say("bundles");
rmSync(join(lib, "chunks"), { recursive: true, force: true });
await bundle({ top, names: Object.keys(BUNDLES) as Bundle[], outdir: lib });
placeNode();
placeRelease(dist, {
  version: manifest.version,
  architecture: host.architecture,
  node: { version: nodePin(top, host.cpu).version, sha256: fileDigest(join(lib, "node")) },
  commit: commit.id,
});
placeLauncher(join(dist, "bin"), "lightvd");
placeLauncher(join(dist, "bin"), "lightv-fleet");
for (const part of ["agent", "fleet"]) cpSync(join(top, "configs", part), join(dist, "etc", "lightv"), { recursive: true });
say(`dist/ is ready: ${join(dist, "bin", "lightv")}`);
