/** The controller's package, `lightv-fleet`: JavaScript for any platform, which runs on the Node of the package `lightv`. */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { bundle, FLEET_BUNDLES } from "./bundles.ts";
import type { Commit } from "./commit.ts";
import { placeUnits } from "./device.ts";
import { placeChangelog, placePage } from "./documents.ts";
import { npmPackages } from "./ingredients.ts";
import { placeLauncher } from "./launchers.ts";
import { placeLicenses } from "./licenses.ts";
import { confToRoff, helpToRoff } from "./roff.ts";
import type { Ingredients } from "./sbom.ts";
import { libraryOf } from "./tree.ts";

export const FLEET = "lightv-fleet";

export interface FleetParts {
  readonly top: string;
  readonly version: string;
  readonly commit: Commit;
  /** Empty; the tree is made in it. */
  readonly prefix: string;
}

/** Makes the whole tree; gives what it is made of. */
export async function placeFleet({ top, version, commit, prefix }: FleetParts): Promise<Ingredients> {
  mkdirSync(join(prefix, "bin"), { recursive: true });
  const chunks = "fleet-chunks"; // the device's package owns chunks/
  const metafile = await bundle({ top, names: FLEET_BUNDLES, outdir: libraryOf(prefix), chunks, version });
  placeLauncher(join(prefix, "bin"), FLEET);
  placeUnits(top, prefix, (unit) => unit.startsWith(FLEET));
  const configuration = join(top, "configs", "fleet", "lightv-fleet.conf");
  mkdirSync(join(prefix, "etc", "lightv"), { recursive: true });
  copyFileSync(configuration, join(prefix, "etc", "lightv", "lightv-fleet.conf"));

  const npm = npmPackages(top, metafile);
  const documents = { top, prefix, emulator: [], version, epoch: commit.epoch };
  const help = run(process.execPath, [join(libraryOf(prefix), "lightv-fleet.mjs"), "--help"], { env: { COLUMNS: "100", NO_COLOR: "1" } });
  placePage(documents, {
    name: FLEET,
    section: 8,
    summary: "controller of a fleet of LightV devices",
    body: [".SH SYNOPSIS", ...helpToRoff(help, ".SH")],
    seeAlso: ["lightv(1)", "lightv-fleet.conf(5)"],
  });
  placePage(documents, {
    name: `${FLEET}.conf`,
    section: 5,
    summary: "configuration of lightv-fleet",
    body: confToRoff(readFileSync(configuration, "utf8")),
    seeAlso: ["lightv-fleet(8)"],
  });
  placeChangelog(documents, FLEET);
  placeLicenses({ top, prefix, name: FLEET, epoch: commit.epoch, packages: npm, libraries: [], nodeLicense: undefined });
  return { name: FLEET, version, architecture: "all", commit: commit.id, epoch: commit.epoch, npm, debian: [], node: undefined };
}
